// `driftloop eval`: mIoU of a weights file over a labelled data set.
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "adapt/data/dataset.h"
#include "adapt/engine.h"
#include "config/check.h"
#include "config/durable_file.h"
#include "config/layers.h"
#include "daemon/commands/commands.h"
#include "daemon/stop_signals.h"

namespace driftloop::daemon {
namespace {

struct EvalArguments {
  std::string weights, data, split, json, label_space, device = "auto";
};

nlohmann::json number(double value) {
  return std::isnan(value) ? nlohmann::json() : nlohmann::json(value);
}

int run_eval(const EvalArguments& arguments) {
  // Before the work: an evaluation of a large split takes long.
  if (!arguments.json.empty()) {
    const auto folder = std::filesystem::absolute(arguments.json).parent_path();
    if (!std::filesystem::is_directory(folder))
      throw Error("--json " + arguments.json + ": there is no folder " + folder.string());
  }
  const auto dataset = adapt::open_dataset(arguments.data, arguments.split);
  const std::string label_space =
      arguments.label_space.empty() ? adapt::dataset_label_space(arguments.data) : arguments.label_space;
  const auto model =
      adapt::Model::open(arguments.weights, {.device = arguments.device}).in_label_space(label_space);
  StopSignals signals;
  const auto result = model.evaluate(*dataset, signals.token());
  if (signals.token().stop_requested()) throw Error("stopped before the end: no result");
  nlohmann::json document{
      {"miou", number(result.miou)}, {"per_class_iou", nlohmann::json::object()}, {"images", result.images}};
  for (const auto& [name, iou] : result.class_iou) {
    document["per_class_iou"][name] = number(iou);
    std::printf("  %-15s %6.2f\n", name.c_str(), 100 * iou);
  }
  std::printf("  %-15s %6.2f  (%lld images, %s)\n", "mIoU", 100 * result.miou,
              static_cast<long long>(result.images), label_space.c_str());
  if (!arguments.json.empty()) config::write_durably(arguments.json, document.dump(2) + '\n');
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
                      "also write {\"miou\", \"per_class_iou\", \"images\"} (0..1) to this file");
  command->add_option("--label-space", arguments->label_space,
                      "score these classes; default: the data set's own");
  command->add_option("--device", arguments->device, "cpu, cuda or auto")->capture_default_str();
  std::string kinds = "Data sets:\n";
  for (const auto& line : adapt::dataset_kinds()) kinds += "  " + line + '\n';
  command->footer(kinds);
  return [arguments] { return run_eval(*arguments); };
}

}  // namespace driftloop::daemon
