#include "daemon/live/live_place.h"

#include <nlohmann/json.hpp>

#include "config/check.h"

namespace driftloop::daemon {
namespace {

constexpr int kVersion = 2;  // pending regions by id
constexpr int kByIndex = 1;  // before: by index into all asked regions, which have the ids 1, 2, ... now

}  // namespace

NLOHMANN_JSON_SERIALIZE_ENUM(Stage, {{Stage::ask, "ask"}, {Stage::wait, "wait"}, {Stage::train, "train"}})
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(StageSeconds, propose, send_and_label, merge, train, judge, save)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(AskFund::Asked, regions, age_s)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(AskFund, last_day, mark_s, clock_s)

std::string encode_place(const Place& p) {
  nlohmann::json pending = nlohmann::json::array();
  for (const auto& region : p.pending)
    pending.push_back({region.digest, region.id, region.round, region.asked_s});
  const nlohmann::json j = {{"version", kVersion},
                            {"round", p.round},
                            {"stage", p.stage},
                            {"pending", std::move(pending)},
                            {"strategy", p.strategy},
                            {"asked_this_round", p.asked_this_round},
                            {"coded_regions", p.coded_regions},
                            {"coded_bytes", p.coded_bytes},
                            {"merged_row", p.merged_row},
                            {"train_until", p.train_until},
                            {"bytes_sent", p.bytes_sent},
                            {"bytes_received", p.bytes_received},
                            {"seconds", p.seconds},
                            {"last_record", p.last_record},
                            {"live_record", p.live_record},
                            {"ask_fund", p.ask_fund}};
  return j.dump();
}

Place decode_place(const std::string& note) {
  if (note.empty()) return {};
  try {
    const auto j = nlohmann::json::parse(note);
    const int version = j.at("version").get<int>();
    if (version != kVersion && version != kByIndex)
      throw Error("the saved place in the loop is of version " + j.at("version").dump() +
                  ", this program knows " + std::to_string(kVersion) +
                  ": use the program that wrote it, or another state folder");
    Place p;
    j.at("round").get_to(p.round);
    j.at("stage").get_to(p.stage);
    for (const auto& region : j.at("pending"))
      p.pending.push_back({region.at(0), region.at(1).get<std::uint64_t>() + (version == kByIndex ? 1 : 0),
                           region.at(2).get<int>(), region.size() > 3 ? region.at(3).get<double>() : 0});
    j.at("asked_this_round").get_to(p.asked_this_round);
    j.at("merged_row").get_to(p.merged_row);
    j.at("train_until").get_to(p.train_until);
    j.at("bytes_sent").get_to(p.bytes_sent);
    j.at("bytes_received").get_to(p.bytes_received);
    j.at("seconds").get_to(p.seconds);
    j.at("last_record").get_to(p.last_record);
    p.strategy = j.value("strategy", p.strategy);
    p.coded_regions = j.value("coded_regions", p.coded_regions);
    p.coded_bytes = j.value("coded_bytes", p.coded_bytes);
    p.live_record = j.value("live_record", p.live_record);
    p.ask_fund = j.value("ask_fund", p.ask_fund);
    return p;
  } catch (const nlohmann::json::exception& error) {
    throw Error(std::string("the saved place in the loop cannot be read: ") + error.what());
  }
}

}  // namespace driftloop::daemon
