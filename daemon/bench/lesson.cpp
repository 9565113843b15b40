#include "daemon/bench/lesson.h"

#include <algorithm>
#include <array>

#include "config/label_space.h"
#include "daemon/report/format.h"
#include "daemon/report/pictures.h"

namespace driftloop::daemon {
namespace {

std::string name_of(int train_id) {
  return std::string(config::class_names().at(static_cast<std::size_t>(train_id)));
}

std::int64_t pixels(const cv::Mat& mask) {
  return cv::countNonZero(mask);
}

/// The class of most pixels of `labels` where `mask` is set; kIgnore when there is none.
int commonest(const cv::Mat& labels, const cv::Mat& mask) {
  std::int64_t most = 0;
  int found = config::kIgnore;
  for (int id = 0; id < config::kClasses; ++id)
    if (const auto count = pixels((labels == id) & mask); count > most) {
      most = count;
      found = id;
    }
  return found;
}

/// The asked box that most of is of this class, the one that the net was most wrong about first.
std::optional<cv::Rect> region_of(const FrameStory& story, int train_id) {
  std::optional<cv::Rect> best;
  double most_wrong = -1;
  for (const cv::Rect& box : story.asked) {
    const cv::Mat truth = story.truth(box);
    if (commonest(truth, truth != config::kIgnore) != train_id) continue;
    const double wrong = static_cast<double>(pixels(story.before(box) != train_id)) / box.area();
    if (wrong > most_wrong) {
      most_wrong = wrong;
      best = box;
    }
  }
  return best;
}

std::string share_right(const cv::Mat& seen, const cv::Mat& truth) {
  const cv::Mat known = truth != config::kIgnore;
  const auto of = std::max<std::int64_t>(1, pixels(known));
  return percent(static_cast<double>(pixels((seen == truth) & known)) / static_cast<double>(of));
}

}  // namespace

std::optional<Lesson> find_lesson(const std::vector<FrameStory>& stories) {
  std::optional<Lesson> best;
  for (std::size_t frame = 0; frame < stories.size(); ++frame) {
    const FrameStory& story = stories[frame];
    for (int id = 0; id < config::kClasses; ++id) {
      const cv::Mat of_class = story.truth == id;
      const cv::Mat right_before = (story.before == id) & of_class,
                    right_after = (story.after == id) & of_class;
      const cv::Mat put_right = right_after & ~right_before;
      const Lesson lesson{frame,
                          id,
                          commonest(story.before, put_right),
                          pixels(put_right),
                          pixels(right_before & ~right_after),
                          {}};
      const std::int64_t least = best ? best->put_right - best->spoilt : 0;
      if (lesson.put_right - lesson.spoilt <= least) continue;
      if (const auto region = region_of(story, id)) {
        best = lesson;
        best->region = *region;
      }
    }
  }
  return best;
}

Picture lesson_picture(const FrameStory& story, const Lesson& lesson, std::size_t frames_looked_at) {
  const std::string taught = name_of(lesson.train_id);
  const cv::Mat known = story.truth != config::kIgnore;
  const cv::Mat right_before = (story.before == story.truth) & known,
                right_after = (story.after == story.truth) & known;
  const cv::Mat in_region = cv::Mat(lesson.region.size(), CV_8UC1, cv::Scalar(255));
  const int said = commonest(story.before(lesson.region), in_region);
  Picture picture;
  picture.title = "What the loop changed, and a region that it asked about there";
  picture.caption =
      "Frame " + story.id + ", the one of " + std::to_string(frames_looked_at) +
      " looked at in which most pixels of one class changed for the better. " + count(lesson.put_right) +
      " pixels of " + taught + " that the net got wrong before, most of them as " +
      name_of(lesson.taken_for) + ", are right now" +
      (lesson.spoilt > 0 ? "; " + count(lesson.spoilt) + " that were right are wrong" : "") +
      ". Of the whole frame " + share_right(story.before, story.truth) + " were right before and " +
      share_right(story.after, story.truth) + " are now. The framed region of " +
      std::to_string(lesson.region.width) + 'x' + std::to_string(lesson.region.height) +
      " pixels was asked for here: the net " +
      (said == lesson.train_id ? "knew it for " + taught + ", and the answer made that certain."
                               : "took it for " + name_of(said) + ", the answer was " + taught + '.');
  picture.panels = {
      photo("prediction before", overlay_classes(story.image_rgb, story.before)),
      photo("prediction after", overlay_classes(story.image_rgb, story.after)),
      photo("ground truth", overlay_classes(story.image_rgb, story.truth)),
      photo("changed: green is right now, orange is wrong now",
            overlay_change(story.image_rgb, right_after & ~right_before, right_before & ~right_after)),
      photo("the region in its frame", overlay_regions(story.image_rgb, {lesson.region})),
      photo("the region from near", close_up(story.image_rgb, lesson.region))};
  return picture;
}

}  // namespace driftloop::daemon
