#include "tests/daemon/report/sample_report.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "config/check.h"
#include "config/label_space.h"
#include "daemon/report/pictures.h"

namespace driftloop::test {
namespace {
using daemon::Arm;
using daemon::Guard;
using daemon::Role;
using daemon::Round;

constexpr std::int64_t kPoolPixels = 120LL * 256 * 512;

Round sample_round(int number, double miou, std::int64_t regions) {
  Round round;
  round.round = number;
  round.miou = miou;
  for (int id = 0; id < config::kClasses; ++id) {
    const double spread = 0.35 * std::cos(0.9 * id);
    round.per_class_iou[std::string(config::class_names()[static_cast<std::size_t>(id)])] =
        std::clamp(miou + spread, 0.0, 1.0);
  }
  round.per_class_iou["train"] = std::numeric_limits<double>::quiet_NaN();
  round.space_miou = {{"cityscapes19", miou}, {"synthia16", miou / 2}};
  round.boundary_miou = miou / 3;
  round.calibration_error = 0.125;
  round.regions = regions;
  round.clicks = regions + regions / 5;
  round.frames = regions / 9;
  round.labelled_pixels = regions * 64;
  round.bytes_sent = regions * 1730;
  round.steps = 150 * number;
  round.memory_bytes = std::int64_t{1'200} << 20;
  round.frame_ms = 37.5;
  if (number == 0) return round;
  round.seconds = {{"train", 21.4 + number}, {"evaluate", 6.25}};
  if (regions > 0) round.seconds.insert({{"propose", 2.5}, {"send", 0.75}, {"label", 0.5}});
  return round;
}

Arm sample_arm(Role role, const std::string& name, const std::string& title, const std::vector<double>& mious,
               std::int64_t regions_per_round) {
  Arm arm;
  arm.name = name;
  arm.title = title;
  arm.explanation = "What " + title + " does.";
  arm.role = role;
  arm.weights = "arms/" + name + "/model.safetensors";
  for (std::size_t i = 0; i < mious.size(); ++i)
    arm.rounds.push_back(
        sample_round(static_cast<int>(i), mious[i], regions_per_round * static_cast<std::int64_t>(i)));
  return arm;
}

}  // namespace

daemon::Report sample_report() {
  daemon::Report report;
  report.title = "driftloop demo";
  report.seed = 7;
  report.config = {{"adapt", {{"steps", 150}, {"lr", 0.005}}},
                   {"acquisition", {{"strategy", "cover"}, {"region_px", 8}}}};
  report.strategy = "cover";
  report.source = "streetsim game";
  report.target = "streetsim street";
  report.label_space = "cityscapes19";
  report.budget = "0.5 % of the pool in 4 rounds, regions of 8x8 pixels";
  report.pool_pixels = kPoolPixels;
  report.pool_bytes = 14'600'000;
  report.revision = "0123abc";
  report.device = "cpu, 2 threads";
  report.command = "driftloop demo --out run --seed 7";
  report.created = "2000-01-02T03:04:05Z";
  report.notes = {"The evaluation set was never trained on."};
  report.arms = {
      sample_arm(Role::start, "source_only", "source only", {0.158}, 0),
      sample_arm(Role::alone, "self_training", "self-training alone", {0.158, 0.142, 0.101, 0.08, 0.064}, 0),
      sample_arm(Role::chance, "random", "random regions", {0.158, 0.287, 0.352, 0.381, 0.400}, 307),
      sample_arm(Role::choice, "cover", "", {0.158, 0.301, 0.369, 0.398, 0.412}, 307),
      sample_arm(Role::ceiling, "full", "full supervision", {0.158, 0.381, 0.452, 0.482, 0.496}, 61440)};
  arm_of(report, "random").settings = {{"acquisition.strategy", "random"}};
  for (Round& round : arm_of(report, "cover").rounds)
    if (round.round > 0) round.guard = Guard::promoted;
  Round& refused = arm_of(report, "cover").rounds[2];
  refused.guard = Guard::rolled_back;
  refused.guard_note = "guard mIoU 31.0 after 33.5";
  return report;
}

daemon::Picture sample_picture(int seed) {
  cv::RNG rng(static_cast<std::uint64_t>(seed) + 1);
  cv::Mat labels(256, 512, CV_8UC1, cv::Scalar(10));  // sky
  cv::rectangle(labels, {0, 60, 512, 100}, 2, cv::FILLED);
  for (int i = 0; i < 5; ++i)
    cv::circle(labels, {rng.uniform(0, 512), 110}, rng.uniform(20, 45), 8, cv::FILLED);
  cv::rectangle(labels, {0, 150, 512, 106}, 1, cv::FILLED);
  cv::fillConvexPoly(labels, std::vector<cv::Point>{{60, 256}, {230, 140}, {280, 140}, {450, 256}}, 0);
  for (int i = 0; i < 3; ++i) cv::rectangle(labels, {rng.uniform(40, 420), 150, 70, 34}, 13, cv::FILLED);
  cv::Mat noise(labels.size(), CV_8UC3), frame;
  rng.fill(noise, cv::RNG::NORMAL, 110, 18);
  cv::addWeighted(config::colourise_rgb(labels), 0.45, noise, 0.6, 0, frame);
  cv::GaussianBlur(frame, frame, {3, 3}, 0);
  cv::Mat before = labels.clone(), score, asked(labels.size(), CV_8UC1, cv::Scalar(config::kIgnore));
  cv::rectangle(before, {rng.uniform(0, 200), 90, 240, 90}, 8, cv::FILLED);
  cv::Mat wrong = before != labels;
  wrong.convertTo(score, CV_32F, 1.0 / 255);
  cv::GaussianBlur(score, score, {41, 41}, 0);
  std::vector<cv::Rect> boxes;
  for (int i = 0; i < 14; ++i) boxes.emplace_back(rng.uniform(0, 62) * 8, rng.uniform(0, 31) * 8, 8, 8);
  for (const cv::Rect& box : boxes) labels(box).copyTo(asked(box));
  return {"Frame " + std::to_string(120 + seed) + " of the pool, round 4",
          "Before: the street is taken for vegetation. 14 regions were asked for here; afterwards the "
          "mistake is gone.",
          {daemon::photo("frame", frame),
           daemon::photo("prediction before", daemon::overlay_classes(frame, before)),
           daemon::photo("score of the regions", daemon::colour_map(score)),
           daemon::photo("regions asked for", daemon::overlay_regions(frame, boxes)),
           daemon::photo("labels that came", daemon::overlay_labels(frame, asked)),
           daemon::mask("prediction after", config::colourise_rgb(labels))}};
}

daemon::Arm& arm_of(daemon::Report& report, const std::string& name) {
  for (daemon::Arm& arm : report.arms)
    if (arm.name == name) return arm;
  throw CheckError("the sample has no arm " + name);
}

void set_final(daemon::Report& report, const std::string& name, double miou) {
  arm_of(report, name).rounds.back().miou = miou;
}

}  // namespace driftloop::test
