#include "tests/golden/golden_case.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdlib>

#include "config/check.h"

namespace driftloop::test {
namespace fs = std::filesystem;

fs::path golden_dir() {
  const char* given = std::getenv("DRIFTLOOP_GOLDEN_DIR");
  return given != nullptr && *given != '\0' ? given : DRIFTLOOP_GOLDEN_DIR_DEFAULT;
}

std::vector<fs::path> golden_files(const std::string& family) {
  std::vector<fs::path> files;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(golden_dir() / family, none)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

GoldenCase::GoldenCase(const fs::path& path) : path_(path), file_(adapt::read_safetensors(path)) {}

const std::string& GoldenCase::text(const std::string& key) const {
  const auto found = file_.metadata.find(key);
  if (found == file_.metadata.end()) throw Error(path_.string() + " has no metadata '" + key + "'");
  return found->second;
}

void expect_close(const at::Tensor& got, const at::Tensor& want, double relative) {
  ASSERT_EQ(got.sizes(), want.sizes());
  const auto g = got.to(at::kCPU, at::kDouble);
  const auto w = want.to(at::kCPU, at::kDouble);
  const auto excess = (g - w).abs() - w.abs() * relative;
  EXPECT_TRUE(excess.le(1e-6).all().item<bool>()) << "largest excess " << excess.max().item<double>();
}

void expect_same(const at::Tensor& got, const at::Tensor& want) {
  ASSERT_EQ(got.sizes(), want.sizes());
  const auto different =
      got.to(at::kCPU, at::kLong).ne(want.to(at::kCPU, at::kLong)).sum().item<std::int64_t>();
  EXPECT_EQ(different, 0) << "elements differ of " << want.numel();
}

}  // namespace driftloop::test
