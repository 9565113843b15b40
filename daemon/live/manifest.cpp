#include "daemon/live/manifest.h"

#include <chrono>
#include <ctime>

#include "adapt/preprocessing.h"
#include "config/label_space.h"
#include "daemon/image_size.h"
#include "daemon/options_json.h"
#include "daemon/version.h"

namespace driftloop::daemon {
namespace {

std::string utc_now() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm utc{};
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
  return text;
}

nlohmann::json preprocessing(const adapt::Model& model) {
  const auto [mean, std, corners_aligned] = model.preprocessing();
  return {{"colour", "RGB"},
          {"layout", "NCHW, float32, values 0..255 before normalisation"},
          {"mean", mean},
          {"std", std},
          {"work_long_side_px", model.spec().work_long_side_px},
          {"least_side_px", adapt::kLeastSidePx},
          {"output", std::string("class logits at about a quarter of the input; bilinear, ") +
                         (corners_aligned ? "corners aligned" : "corners not aligned") + ", to the image"}};
}

nlohmann::json about_onnx(const adapt::OnnxOptions& onnx) {
  const int height = onnx.size_px.height, width = onnx.size_px.width;
  return {{"opset", 17},
          {"input",
           {{"name", "image"}, {"type", "uint8"}, {"layout", "NHWC, RGB"}, {"shape", {1, height, width, 3}}}},
          {"output",
           {{"name", "logits"},
            {"type", "float32"},
            {"layout", "NCHW"},
            {"shape", {1, config::kClasses, height, width}}}}};
}

}  // namespace

std::optional<adapt::OnnxOptions> live_onnx(const LoopOptions& options) {
  if (options.live_onnx.empty()) return std::nullopt;
  return adapt::OnnxOptions{.size_px = image_size(options.live_onnx, "loop.live_onnx")};
}

nlohmann::json manifest_of(const DaemonOptions& options, const adapt::Model& model,
                           const nlohmann::json& record) {
  const auto& space = config::label_space(options.engine.label_space);
  nlohmann::json about = {{"round", 0},
                          {"step", 0},
                          {"vehicle_id", options.vehicle_id},
                          {"written_by", std::string("driftloop ") + version() + " (" + revision() + ')'},
                          {"published", utc_now()},
                          {"model", options_json(options.engine.model)},
                          {"label_space", space.name},
                          {"classes", config::class_names()},
                          {"scored_ids", space.scored},
                          {"ignore_id", config::kIgnore},
                          {"preprocessing", preprocessing(model)},
                          {"guard", nullptr}};
  if (const auto onnx = live_onnx(options.loop)) about["onnx"] = about_onnx(*onnx);
  if (!record.is_object()) return about;
  about["round"] = record.at("round");
  about["step"] = record.at("steps");
  about["guard"] = {{"verdict", record.at("verdict")},
                    {"score_before", record.at("live_score")},
                    {"score", record.at("candidate_score")},
                    {"pixels", record.at("guard_pixels")},
                    {"note", record.at("guard_note")}};
  return about;
}

}  // namespace driftloop::daemon
