#include "adapt/selftrain/class_bank.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "adapt/selftrain/class_draw.h"

namespace driftloop::adapt {
namespace {

constexpr double kLeastShare = 0.01;  // of the frame; AEL
constexpr const char* kKey = "selftrain.class_bank";

}  // namespace

void ClassBank::saw(const std::string& frame_id, std::span<const double> share_c) {
  Seen seen{{}, ++turn_};
  for (std::size_t c = 0; c < seen.classes.size(); ++c) seen.classes[c] = share_c[c] >= kLeastShare;
  frames_.insert_or_assign(frame_id, seen);
  while (frames_.size() > most_frames_)
    frames_.erase(std::min_element(frames_.begin(), frames_.end(), [](const auto& a, const auto& b) {
      return a.second.turn < b.second.turn;
    }));
}

CutWish ClassBank::wish(std::span<const double> confidence_c, config::Random& random) const {
  std::array<std::size_t, config::kClasses> holding{};
  for (const auto& [id, seen] : frames_)
    for (std::size_t c = 0; c < holding.size(); ++c) holding[c] += seen.classes[c];
  std::vector<int> known;
  std::vector<double> logit;
  for (std::size_t c = 0; c < holding.size(); ++c) {
    if (holding[c] == 0) continue;
    known.push_back(static_cast<int>(c));
    logit.push_back(1 - confidence_c[c]);
  }
  if (known.empty()) return {};
  const int chosen = known[draw_by_softmax(logit, random)];
  const auto holds = [&](const Seen& seen) { return seen.classes[static_cast<std::size_t>(chosen)]; };
  auto left = random.below(holding[static_cast<std::size_t>(chosen)]);
  for (const auto& [id, seen] : frames_)
    if (holds(seen) && left-- == 0) return {id, chosen};
  return {};
}

void ClassBank::save(TensorFile& file) const {
  auto frames = nlohmann::json::array();
  for (const auto& [id, seen] : frames_)
    frames.push_back(nlohmann::json::array({id, seen.classes.to_ulong(), seen.turn}));
  file.metadata[kKey] = frames.dump();
}

void ClassBank::load(const TensorFile& file) {
  frames_.clear();
  turn_ = 0;
  const auto found = file.metadata.find(kKey);
  if (found == file.metadata.end()) return;
  for (const auto& entry : nlohmann::json::parse(found->second)) {
    const Seen seen{entry.at(1).get<unsigned long>(), entry.at(2).get<std::uint64_t>()};
    frames_.emplace(entry.at(0).get<std::string>(), seen);
    turn_ = std::max(turn_, seen.turn);
  }
}

std::int64_t ClassBank::stored_bytes() const {
  constexpr std::int64_t kNumbers = 40;  // of an entry, with its brackets
  std::int64_t bytes = 0;
  for (const auto& [id, seen] : frames_) bytes += kNumbers + 6 * static_cast<std::int64_t>(id.size());
  return bytes;
}

}  // namespace driftloop::adapt
