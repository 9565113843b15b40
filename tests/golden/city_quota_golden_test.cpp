#include <nlohmann/json.hpp>

#include "adapt/acquisition/city_quota.h"
#include "config/durable_file.h"
#include "tests/golden/golden_case.h"

namespace driftloop::test {

TEST(Golden, CityQuota) {
  const auto files = golden_files("city_quota");
  if (files.empty()) GTEST_SKIP() << "no case of city_quota under " << golden_dir();
  for (const auto& file : files) {
    SCOPED_TRACE(file.string());
    const auto golden = nlohmann::json::parse(config::read_file(file));
    for (const auto& one : golden.at("cases")) {
      std::vector<adapt::GroupCount> groups;
      std::vector<std::int64_t> want;
      for (const auto& [city, images] : golden.at("city_images").items()) {
        groups.push_back({images.get<std::int64_t>(), one.at("first").at(city).get<std::int64_t>()});
        want.push_back(one.at("quota").at(city).get<std::int64_t>());
      }
      EXPECT_EQ(adapt::city_quota(groups, one.at("ask").get<std::int64_t>()), want) << one.at("task");
    }
  }
}

}  // namespace driftloop::test
