#include "daemon/bench/run_report.h"

#include <algorithm>
#include <ctime>
#include <map>
#include <opencv2/core.hpp>

#include "adapt/acquisition/score_map.h"
#include "adapt/engine.h"
#include "config/check.h"
#include "config/label_space.h"
#include "daemon/bench/lesson.h"
#include "daemon/bench/oracle.h"
#include "daemon/bench/run_words.h"
#include "daemon/options_json.h"
#include "daemon/report/pictures.h"
#include "daemon/version.h"

namespace driftloop::daemon {
namespace fs = std::filesystem;
namespace {
constexpr std::size_t kStories = 12;  // frames among which the first picture is chosen
}

std::vector<adapt::Region> asked_regions(const std::string& arm, const fs::path& folder) {
  auto asked = adapt::asked_in(folder / "state");
  if (!asked) throw Error("no state of the arm '" + arm + "' in " + (folder / "state").string());
  return *std::move(asked);
}

Report report_head(const RunOptions& options, std::uint64_t seed, const std::string& command) {
  Report report;
  report.title = title_in_words(options);
  report.seed = seed;
  report.config = options_json(options);
  report.strategy = own_arm(options);
  report.source = options.source;
  report.target = options.target + (options.target_split.empty() ? "" : " (" + options.target_split + ')');
  report.label_space = options.engine.label_space;
  report.budget = budget_in_words(options);
  report.revision = revision();
  for (const auto& frame :
       adapt::make_dataset_pool(adapt::open_dataset(options.target, options.target_split))->frames())
    report.pool_pixels += frame.size_px.area();
  report.device = adapt::device_text(adapt::runs_on(options.engine));
  report.command = command;
  const std::time_t now = std::time(nullptr);
  char text[32];
  std::tm utc{};
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
  report.created = text;
  return report;
}

std::vector<Picture> make_pictures(const RunOptions& options, const std::string& arm,
                                   const PictureRequest& request) {
  const auto target = open_cached(options.target, options.target_split, options);
  const auto pool = adapt::make_dataset_pool(target);
  const Oracle oracle(target, options.engine.label_space);
  const RunOptions own = arm_options(options, arm);
  const RoundOptions* asked = first_asking(own.rounds);
  const config::Chosen strategy = (asked ? *asked : own.rounds.front()).strategy;
  const auto where = adapt::runs_on(options.engine);
  const auto before = adapt::Model::open(request.before, where),
             after = adapt::Model::open(request.after, where);

  std::map<std::string, std::vector<cv::Rect>> boxes;
  for (const auto& region : request.asked) boxes[region.frame_id].push_back(region.box_px);
  std::vector<std::string> frames;  // spread over those that were asked
  for (const auto& [id, unused] : boxes) frames.push_back(id);
  std::vector<Picture> pictures;
  const std::size_t rows = std::min<std::size_t>(static_cast<std::size_t>(request.rows), frames.size());
  for (std::size_t row = 0; row < rows; ++row) {
    const std::string& id = frames[row * frames.size() / rows];
    const cv::Mat image = pool->image_rgb(id), truth = oracle.map(id);
    cv::Mat labels(image.size(), CV_8UC1, cv::Scalar(config::kIgnore));
    for (const auto& box : boxes[id]) truth(box).copyTo(labels(box));
    const auto old_view = before.view(image), new_view = after.view(image);
    const cv::Mat score = adapt::score_map(before, strategy, own.engine.acquisition.region_px, image);
    const std::size_t regions = boxes[id].size();
    Picture picture{
        "Frame " + id,
        std::to_string(regions) + (regions == 1 ? " region" : " regions") + " of this frame asked for",
        {}};
    picture.panels = {photo("frame", image),
                      photo("prediction before", overlay_classes(image, old_view.label)),
                      photo("prediction after", overlay_classes(image, new_view.label)),
                      photo(score.empty() ? "confidence before" : "score map before",
                            colour_map(score.empty() ? old_view.confidence : score)),
                      photo("regions asked for", overlay_regions(image, boxes[id])),
                      mask("labels that came", overlay_labels(image, labels)),
                      photo("ground truth", overlay_classes(image, truth))};
    pictures.push_back(std::move(picture));
    if (request.progress) request.progress(static_cast<int>(row) + 1, static_cast<int>(rows));
  }
  std::vector<FrameStory> stories;
  const std::size_t looked_at = std::min(kStories, frames.size());
  for (std::size_t i = 0; i < looked_at; ++i) {
    const std::string& id = frames[i * frames.size() / looked_at];
    const cv::Mat image = pool->image_rgb(id);
    stories.push_back({id, image, before.label(image), after.label(image), oracle.map(id), boxes[id]});
  }
  if (const auto lesson = find_lesson(stories))
    pictures.insert(pictures.begin(), lesson_picture(stories[lesson->frame], *lesson, stories.size()));
  return pictures;
}

}  // namespace driftloop::daemon
