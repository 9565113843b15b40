// `driftloop export`: a model for programs that run ONNX.
#include <cstdio>
#include <filesystem>
#include <memory>
#include <utility>

#include "adapt/model.h"
#include "config/check.h"
#include "daemon/commands/commands.h"
#include "daemon/image_size.h"

namespace driftloop::daemon {
namespace {

struct ExportArguments {
  std::string model, onnx, size, input = "rgb8_nhwc", output = "logits", device = "auto";
  bool dynamic_batch = false;
};

int run_export(const ExportArguments& arguments) {
  const auto model = adapt::Model::open(arguments.model, {.device = arguments.device});
  adapt::OnnxOptions options;
  options.size_px = arguments.size.empty() ? adapt::onnx_size({}, model.spec().work_long_side_px)
                                           : image_size(arguments.size, "--size");
  if (arguments.dynamic_batch) options.batch = adapt::OnnxBatch::dynamic;
  if (arguments.input == "float_nchw") options.input = adapt::OnnxInput::float_nchw;
  if (arguments.output == "labels") options.output = adapt::OnnxOutput::labels;
  model.export_onnx(arguments.onnx, options);
  std::printf("%s: %s for images of %dx%d, batch %s, input %s, output %s, %.1f MB\n", arguments.onnx.c_str(),
              model.spec().net.name.c_str(), options.size_px.width, options.size_px.height,
              arguments.dynamic_batch ? "any" : "1", arguments.input.c_str(), arguments.output.c_str(),
              static_cast<double>(std::filesystem::file_size(arguments.onnx)) / 1e6);
  return 0;
}

}  // namespace

Run add_export(CLI::App& app) {
  auto* command = app.add_subcommand("export", "a model as an ONNX file (TensorRT, ONNX Runtime)");
  auto arguments = std::make_shared<ExportArguments>();
  command->add_option("--onnx", arguments->onnx, "the file to write")->required();
  command
      ->add_option("--model", arguments->model,
                   "a model.safetensors of a run, or live/model.safetensors of a vehicle")
      ->required();
  command->add_option(
      "--size", arguments->size,
      "size of the images, WIDTHxHEIGHT px, fixed in the file; default: the size the model works "
      "at, for a camera of 16:9");
  command->add_flag("--dynamic-batch", arguments->dynamic_batch,
                    "any number of images at a time; default: one");
  command
      ->add_option("--input", arguments->input,
                   "rgb8_nhwc: uint8 (N, H, W, 3) as a frame lies in memory; float_nchw: float (N, 3, H, W), "
                   "0..255. RGB; the file normalises")
      ->check(CLI::IsMember({"rgb8_nhwc", "float_nchw"}))
      ->capture_default_str();
  command
      ->add_option(
          "--output", arguments->output,
          "logits: float (N, C, H, W); labels: uint8 (N, H, W), trainIds folded into the label space")
      ->check(CLI::IsMember({"logits", "labels"}))
      ->capture_default_str();
  command
      ->add_option("--device", arguments->device, "cpu, cuda or auto: the net runs once while it is written")
      ->capture_default_str();
  command->footer(
      "Example:\n  driftloop export --model live/model.safetensors --size 640x360 --onnx model.onnx\n"
      "  trtexec --onnx=model.onnx --fp16");
  return [arguments] { return run_export(*arguments); };
}

}  // namespace driftloop::daemon
