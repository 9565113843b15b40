#include "daemon/live/store_pool.h"

namespace driftloop::daemon {

std::string group_of(const std::string& frame_name) {
  const std::size_t end = frame_name.rfind('_');
  return end == std::string::npos ? "" : frame_name.substr(0, end);
}

std::vector<adapt::PoolFrame> StorePool::frames() const {
  std::vector<adapt::PoolFrame> frames;
  for (const auto& frame : store_.list())
    frames.push_back({frame.id, group_of(frame.name), cv::Size(frame.width, frame.height)});
  return frames;
}

cv::Mat StorePool::image_rgb(const std::string& id) const {
  if (on_read_) on_read_();
  return store_.load_rgb(id);
}

void mark_frames(capture::FrameStore& store, const std::map<std::string, FrameUse>& use) {
  for (const auto& frame : store.list()) {
    const auto found = use.find(frame.id);
    const FrameUse wanted = found == use.end() ? FrameUse{} : found->second;
    // Each returns false when the frame went meanwhile: then there is nothing to mark.
    if (frame.asked != wanted.asked) store.set_asked(frame.id, wanted.asked);
    if (wanted.unanswered > frame.unsent) store.mark_unsent(frame.id, wanted.unanswered - frame.unsent);
    if (wanted.unanswered < frame.unsent) store.mark_sent(frame.id, frame.unsent - wanted.unanswered);
  }
}

}  // namespace driftloop::daemon
