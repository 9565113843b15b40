// Where the learner's regions become messages, and messages labels again.
#pragma once
#include <opencv2/core/mat.hpp>
#include <string>

#include "adapt/region.h"
#include "capture/frame_store.h"
#include "uplink/outbox.h"
#include "uplink/region.h"

namespace driftloop::daemon {

struct CodecOptions {
  std::string vehicle_id;
  std::string strategy;
  std::string label_space;
  int context_px = 24;          // surroundings on each side, clipped at the frame
  std::string format = "webp";  // webp, jpeg or png
  int quality = 90;             // 1..100, of webp and jpeg
};

/// The box with its surroundings, inside the frame. The box must lie in the frame (CheckError).
cv::Rect context_crop(const cv::Rect& box_px, cv::Size frame_px, int context_px);

/// A frame with the live model's opinion of it.
struct SeenFrame {
  capture::StoredFrame stored;
  cv::Mat image_rgb;   // 8UC3
  cv::Mat prediction;  // 8UC1 trainIds of the image's size, or empty
};

/// True when this machine's OpenCV writes the format.
bool can_encode(const std::string& format);

/// What such a message of a square region takes, bytes, as long as none was made.
double expected_bytes(int region_px, const CodecOptions& options);

/// The message that asks for a region's label. The same input gives the same bytes.
uplink::RegionRequest encode_region(const SeenFrame& frame, const adapt::Region& region, int round,
                                    const CodecOptions& options);

/// The mask of a labelled answer: 8UC1 trainIds of the box's size. `problem` says in one line what is wrong
/// with it: not a PNG, another size, a class that `label_space` does not have.
uplink::Decoded<cv::Mat> decode_mask(const uplink::LabelReply& reply, const cv::Rect& box_px,
                                     const std::string& label_space);

}  // namespace driftloop::daemon
