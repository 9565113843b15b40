// Where target frames come from: the first of the two ports in which the vehicle and the benchmark differ
// (the other is who labels). No ground truth passes here.
#pragma once
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <opencv2/core/mat.hpp>
#include <string>
#include <vector>

#include "adapt/data/dataset.h"

namespace driftloop::adapt {

struct PoolFrame {
  std::string id;     // distinct
  std::string group;  // city or sequence
  cv::Size size_px;
};

class FramePool {
 public:
  virtual ~FramePool() = default;
  /// The frames there are now, in a stable order.
  virtual std::vector<PoolFrame> frames() const = 0;
  /// 8UC3 RGB; empty when the frame is gone meanwhile (evicted), an ordinary outcome. May be called by
  /// several threads at once.
  virtual cv::Mat image_rgb(const std::string& id) const = 0;
};

/// Keeps the frames of another pool that were last asked for, decoded, up to `cache_bytes`, for as long as
/// that lists them: a vehicle trains on a few hundred frames over and over. `inner` outlives it.
class CachedPool : public FramePool {
 public:
  CachedPool(const FramePool& inner, std::size_t cache_bytes) : inner_(inner), cache_bytes_(cache_bytes) {}
  std::vector<PoolFrame> frames() const override;
  cv::Mat image_rgb(const std::string& id) const override;

 private:
  const FramePool& inner_;
  std::size_t cache_bytes_;
  struct Kept {
    std::string id;
    cv::Mat image;
  };
  using Place = std::list<Kept>::iterator;
  void drop(Place kept) const;

  mutable std::mutex mutex_;
  mutable std::list<Kept> kept_;  // the last asked for first
  mutable std::map<std::string, Place> place_;
  mutable std::size_t kept_bytes_ = 0;
};

/// The images of a data set as a pool; its labels stay behind.
std::unique_ptr<FramePool> make_dataset_pool(std::shared_ptr<const Dataset> dataset);

}  // namespace driftloop::adapt
