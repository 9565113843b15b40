// The frame store as the learner sees it, and which of its frames the loop still needs.
#pragma once
#include <functional>
#include <map>
#include <span>
#include <string>

#include "adapt/data/frame_pool.h"
#include "capture/frame_store.h"

namespace driftloop::daemon {

class StorePool : public adapt::FramePool {
 public:
  /// `store` outlives the pool. `on_read` is called for each image asked for: the learner's sign of life
  /// while it looks through the pool.
  explicit StorePool(capture::FrameStore& store, std::function<void()> on_read = {})
      : store_(store), on_read_(std::move(on_read)) {}

  /// id = the store's, oldest first; group = the frame's name up to its last '_', "" without one.
  std::vector<adapt::PoolFrame> frames() const override;
  cv::Mat image_rgb(const std::string& id) const override;

 private:
  capture::FrameStore& store_;
  std::function<void()> on_read_;
};

/// The sequence a frame belongs to, by its name: "drive3_000017" -> "drive3".
std::string group_of(const std::string& frame_name);

struct FrameUse {
  bool asked = false;  // its label can be learnt from as long as the picture is there: it goes last
  int unanswered = 0;  // regions of it whose label has not returned: it is never evicted
};

/// Brings the store's marks to what `use` says (frame id -> use; frames not in it have none). Repeatable: it
/// sets, it does not count up.
void mark_frames(capture::FrameStore& store, const std::map<std::string, FrameUse>& use);

}  // namespace driftloop::daemon
