#include "daemon/bench/oracle.h"

#include <algorithm>
#include <opencv2/core.hpp>
#include <tuple>

#include "config/check.h"
#include "daemon/warm_up.h"

namespace driftloop::daemon {

std::shared_ptr<const adapt::Dataset> open_cached(const std::string& spec, const std::string& split,
                                                  const RunOptions& options) {
  return adapt::cached(adapt::open_dataset(spec, split),
                       static_cast<std::size_t>(options.engine.input.cache_mb) << 20);
}

std::shared_ptr<const adapt::Dataset> open_source(const RunOptions& options) {
  if (options.source.empty()) return nullptr;
  return open_cached(options.source, options.source_split, options);
}

void check_data(const RunOptions& options) {
  for (const auto& [what, spec, split] : {std::tuple{"source", options.source, options.source_split},
                                          std::tuple{"target", options.target, options.target_split},
                                          std::tuple{"eval", options.eval, options.eval_split}}) {
    if (spec.empty() && what == std::string("source")) continue;
    try {
      adapt::open_dataset(spec, split);
    } catch (const Error& error) {
      throw Error(std::string(what) + ": " + error.what());
    }
  }
  if (!options.start.empty()) find_start(options.start);
}

Oracle::Oracle(std::shared_ptr<const adapt::Dataset> truth, const std::string& label_space)
    : truth_(std::move(truth)), fold_(config::label_space(label_space).fold) {
  for (std::size_t i = 0; i < truth_->size(); ++i) index_[truth_->id(i)] = i;
}

std::vector<adapt::RegionLabel> Oracle::answer(const std::vector<adapt::Region>& regions) const {
  std::vector<adapt::RegionLabel> labels;
  std::string frame_id;
  cv::Mat truth;  // of one frame after the other: points are many, and a label map is slow to read
  std::vector<std::size_t> order(regions.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return regions[a].frame_id < regions[b].frame_id; });
  labels.resize(regions.size());
  for (const std::size_t i : order) {
    const auto& region = regions[i];
    if (truth.empty() || region.frame_id != frame_id) {
      frame_id = region.frame_id;
      truth = map(frame_id);
    }
    labels[i] = {region.frame_id, region.box_px, truth(region.box_px).clone()};
  }
  return labels;
}

cv::Mat Oracle::map(const std::string& frame_id) const {
  return config::map_labels(labelled_image(*truth_, index_.at(frame_id)).label, fold_);
}

}  // namespace driftloop::daemon
