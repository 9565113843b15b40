// `driftloop eval`: mIoU of a weights file over a labelled data set.
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <opencv2/imgcodecs.hpp>

#include "adapt/data/dataset.h"
#include "adapt/engine.h"
#include "config/check.h"
#include "config/durable_file.h"
#include "config/label_space.h"
#include "daemon/commands/commands.h"
#include "daemon/progress.h"
#include "daemon/stop_signals.h"

namespace driftloop::daemon {
namespace {

struct EvalArguments {
  std::string weights, data, split, json, predictions, label_space, device = "auto";
  adapt::EvalOptions views;
};

nlohmann::json number(double value) {
  return std::isnan(value) ? nlohmann::json() : nlohmann::json(value);
}

nlohmann::json by_name(const std::vector<std::pair<std::string, double>>& values) {
  nlohmann::json object = nlohmann::json::object();
  for (const auto& [name, value] : values) object[name] = number(value);
  return object;
}

/// Before the work: an evaluation of a large split takes long.
void require_parent(const char* option, const std::string& file) {
  if (file.empty()) return;
  const auto folder = std::filesystem::absolute(file).parent_path();
  if (!std::filesystem::is_directory(folder))
    throw Error(std::string(option) + ' ' + file + ": there is no folder " + folder.string());
}

/// As the Cityscapes server takes them: a PNG of label ids for each image, named as the image.
void write_predictions(const adapt::Model& model, const adapt::Dataset& dataset,
                       const EvalArguments& arguments, std::stop_token stop) {
  config::make_folder(arguments.predictions);
  ProgressLine line;
  for (std::size_t i = 0; i < dataset.size() && !stop.stop_requested(); ++i) {
    const cv::Mat ids = config::published_ids(model.view(dataset.image_rgb(i), arguments.views).label);
    const auto file = std::filesystem::path(arguments.predictions) / (dataset.id(i) + ".png");
    if (!cv::imwrite(file.string(), ids))
      throw Error("cannot write " + file.string() + "; is the disk full?");
    line.show(static_cast<double>(i + 1) / static_cast<double>(dataset.size()), "predicting");
  }
  if (stop.stop_requested()) throw Error("stopped before the end: the folder is not complete");
  line.finish(std::to_string(dataset.size()) + " predictions in " + arguments.predictions);
}

void print_scores(const adapt::Evaluation& result, const std::string& label_space) {
  std::printf("  %-15s %6s  %s\n", "", "IoU", "near borders");
  for (std::size_t i = 0; i < result.class_iou.size(); ++i)
    std::printf("  %-15s %6.2f  %6.2f\n", result.class_iou[i].first.c_str(), 100 * result.class_iou[i].second,
                100 * result.class_boundary_iou[i].second);
  std::printf("  %-15s %6.2f  %6.2f  (%lld images, %s)\n", "mean", 100 * result.miou,
              100 * result.boundary_miou, static_cast<long long>(result.images), label_space.c_str());
  for (const auto& [name, miou] : result.space_miou)
    if (name != label_space) std::printf("  %-15s %6.2f\n", name.c_str(), 100 * miou);
  std::printf("  %.2f %% of the pixels are right, calibration error %.2f %%\n", 100 * result.pixel_accuracy,
              100 * result.calibration_error);
}

int run_eval(const EvalArguments& arguments) {
  require_parent("--json", arguments.json);
  require_parent("--predictions", arguments.predictions);
  const bool scored = arguments.predictions.empty();
  const auto dataset = scored ? adapt::open_dataset(arguments.data, arguments.split)
                              : adapt::open_images(arguments.data, arguments.split);
  const std::string label_space =
      arguments.label_space.empty() ? adapt::dataset_label_space(arguments.data) : arguments.label_space;
  const auto model =
      adapt::Model::open(arguments.weights, {.device = arguments.device}).in_label_space(label_space);
  StopSignals signals;
  if (!scored) {
    write_predictions(model, *dataset, arguments, signals.token());
    return 0;
  }
  const auto result = model.evaluate(*dataset, arguments.views, signals.token());
  if (signals.token().stop_requested()) throw Error("stopped before the end: no result");
  print_scores(result, label_space);
  if (!arguments.json.empty())
    config::write_durably(arguments.json,
                          nlohmann::json{{"miou", number(result.miou)},
                                         {"per_class_iou", by_name(result.class_iou)},
                                         {"space_miou", by_name(result.space_miou)},
                                         {"boundary_miou", number(result.boundary_miou)},
                                         {"per_class_boundary_iou", by_name(result.class_boundary_iou)},
                                         {"pixel_accuracy", number(result.pixel_accuracy)},
                                         {"calibration_error", number(result.calibration_error)},
                                         {"images", result.images}}
                                  .dump(2) +
                              '\n');
  return 0;
}

}  // namespace

Run add_eval(CLI::App& app) {
  auto* command = app.add_subcommand("eval", "mIoU of a model over a labelled data set");
  auto arguments = std::make_shared<EvalArguments>();
  command
      ->add_option("--weights", arguments->weights,
                   "a model.safetensors of a run, or live/model.safetensors of a vehicle")
      ->required();
  command->add_option("--data", arguments->data, "kind:argument, for example camvid:/data/camvid")
      ->required();
  command->add_option("--split", arguments->split, "part of the data set, for example val");
  command->add_option("--json", arguments->json,
                      "also write {\"miou\", \"per_class_iou\", \"images\", ...} (0..1) to this file");
  command->add_option(
      "--predictions", arguments->predictions,
      "instead of scoring, write a PNG of Cityscapes label ids for each image into this folder, "
      "as the evaluation server takes them; needs no labels");
  auto& views = arguments->views;
  command
      ->add_option("--window", views.window_px,
                   "the net sees square windows of this side, px; the papers have 769; 0 = whole images")
      ->capture_default_str()
      ->check(CLI::Range(0, 8192));
  command->add_option("--stride", views.stride_px, "from one window to the next, px; 0 = two thirds of one")
      ->capture_default_str()
      ->check(CLI::Range(0, 8192));
  command->add_flag("--multi-scale", views.multi_scale, "also at 0.5, 0.75, 1.25, 1.5 and 1.75 of the size");
  command->add_flag("--flip", views.flip, "also mirrored");
  command->add_option("--label-space", arguments->label_space,
                      "score these classes; default: the data set's own");
  command->add_option("--device", arguments->device, "cpu, cuda or auto")->capture_default_str();
  std::string kinds = "Data sets:\n";
  for (const auto& line : adapt::dataset_kinds()) kinds += "  " + line + '\n';
  command->footer(kinds);
  return [arguments] { return run_eval(*arguments); };
}

}  // namespace driftloop::daemon
