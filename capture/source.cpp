#include "capture/source.h"

#include "config/check.h"

namespace driftloop::capture {

ReadResult FrameSource::read(std::chrono::milliseconds timeout) {
  DL_CHECK(timeout.count() >= 0, timeout.count());
  if (final_) return *final_;
  ReadResult result = do_read(timeout);
  if (result.status == ReadStatus::frame) {
    const cv::Mat& image = result.frame.image_rgb;
    DL_CHECK(!image.empty() && image.type() == CV_8UC3 && image.isContinuous(), image.type(), image.rows);
    DL_CHECK(!result.frame.name.empty(), result.frame.sequence);
    DL_CHECK(!last_sequence_ || result.frame.sequence > *last_sequence_, result.frame.sequence);
    last_sequence_ = result.frame.sequence;
  }
  if (result.status == ReadStatus::error) DL_CHECK(!result.message.empty(), "an error without a reason");
  if (result.status == ReadStatus::end || result.status == ReadStatus::error) final_ = result;
  return result;
}

void describe(config::Fields& f, SourceOptions& o) {
  f.field("uri", o.uri,
          "where frames come from: csi://0, v4l2:///dev/video0, rtsp://..., file:///video.mkv, "
          "images:///folder, test://ball?frames=100, or the text of a GStreamer pipeline");
  f.field("width", o.width, {0, 16384}, "scale to this width in pixels; 0 with height 0 = as delivered");
  f.field("height", o.height, {0, 16384}, "scale to this height in pixels; 0 with width 0 = as delivered");
  f.field("fps_limit", o.fps_limit, {0, 1000}, "frames per second at most; 0 = all");
  std::string at_end = o.at_end == AtEnd::loop ? "loop" : "stop";
  f.choice("at_end", at_end, {"stop", "loop"}, "what a file or folder does at its end; a camera has none");
  o.at_end = at_end == "loop" ? AtEnd::loop : AtEnd::stop;
  f.field("stall_timeout_ms", o.stall_timeout_ms, {50, 600'000},
          "no frame for so many milliseconds = the camera hangs");
  f.field("start_timeout_ms", o.start_timeout_ms, {50, 600'000},
          "the same before the first frame, in milliseconds: opening a device takes longer");
  f.field("restart_backoff_ms", o.restart_backoff_ms, {1, 600'000},
          "live sources: milliseconds before the first restart; it doubles with each failure");
  f.field("restart_backoff_max_ms", o.restart_backoff_max_ms, {1, 600'000},
          "live sources: milliseconds that the wait before a restart never grows over");
  f.field("give_up_after", o.give_up_after, {-1, 1'000'000},
          "live sources: after so many failures in a row the process ends, so that the service starts it "
          "anew; 0 = never; -1 = 8 for csi://, never for others");
}

}  // namespace driftloop::capture
