// The first picture of a report: what the loop changed in one frame, and a region that it asked about
// there. A region may be one that is held out to judge by, so the picture does not say that it taught
// anything.
#pragma once
#include <opencv2/core.hpp>
#include <optional>
#include <string>
#include <vector>

#include "daemon/report/report.h"

namespace driftloop::daemon {

/// A frame before and after the loop. Maps are 8UC1 trainIds of the image's size, 255 = nobody could tell.
struct FrameStory {
  std::string id;
  cv::Mat image_rgb, before, after, truth;
  std::vector<cv::Rect> asked;  // px
};

struct Lesson {
  std::size_t frame = 0;       // of the stories
  int train_id = 0;            // the class of which most was put right there
  int taken_for = 0;           // what most of those pixels were taken for before
  std::int64_t put_right = 0;  // pixels of the class that were wrong before and are right after
  std::int64_t spoilt = 0;     // and the other way round
  cv::Rect region;             // asked in this frame; most of its answer is the class
};

/// The frame and class in which most pixels, less the spoilt ones, were put right, among those of which a
/// region was asked in the same frame; nothing where nothing got better.
std::optional<Lesson> find_lesson(const std::vector<FrameStory>& stories);

/// Before, after, truth, what changed, the region and its neighbourhood, with a title and a caption in words.
Picture lesson_picture(const FrameStory& story, const Lesson& lesson, std::size_t frames_looked_at);

}  // namespace driftloop::daemon
