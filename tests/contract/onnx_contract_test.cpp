// Every net of the table as ONNX: the file is valid, and ONNX Runtime gives LibTorch's logits and labels.
// What it gives is compared in onnx_check.py; without the wheels onnx and onnxruntime that part is skipped.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <opencv2/core.hpp>

#include "adapt/model.h"
#include "adapt/model/placed_net.h"
#include "config/check.h"
#include "config/durable_file.h"
#include "tests/support/temp_folder.h"

namespace driftloop::adapt {
namespace {

constexpr int kSkipped = 77;

struct Case {
  std::string net;
  int output_stride;
  cv::Size size;  // odd ones: padding differs from side to side
  OnnxOptions options;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const auto& net : model_names())
    all.push_back({net, 16, {97, 70}, {.size_px = {}, .batch = OnnxBatch::dynamic}});
  // What does not depend on the depth, on the smallest net of each kind.
  for (const std::string net : {"efficientnet_lite0", "deeplabv3plus_r18"}) {
    all.push_back({net, 8, {128, 96}, {}});
    all.push_back({net, 8, {99, 131}, {.size_px = {}, .input = OnnxInput::float_nchw}});
    all.push_back(
        {net, 16, {112, 65}, {.size_px = {}, .batch = OnnxBatch::dynamic, .output = OnnxOutput::labels}});
  }
  for (auto& c : all) c.options.size_px = c.size;
  return all;
}

/// Weights and statistics as of a net that has learnt: fresh ones are 0 and 1.
void disturb(SegmentationNet& net) {
  const at::NoGradGuard no_grad;
  at::manual_seed(3);
  for (auto& entry : net.named_parameters())
    if (entry.value().dim() == 1) entry.value().add_(0.2 * at::randn_like(entry.value()));
  for (auto& entry : net.named_buffers()) {
    if (entry.key().ends_with("running_mean")) entry.value().normal_(0, 0.1);
    if (entry.key().ends_with("running_var")) entry.value().uniform_(0.6, 1.6);
  }
}

void write(const std::filesystem::path& file, const at::Tensor& tensor) {
  const auto dense = tensor.contiguous();
  std::ofstream(file, std::ios::binary)
      .write(static_cast<const char*>(dense.const_data_ptr()), static_cast<std::streamsize>(dense.nbytes()));
}

/// Writes what onnx_check.py reads; gives the case's line of its list.
nlohmann::json put_case(const std::filesystem::path& folder, const std::string& name, const Case& c) {
  ModelSpec spec;
  spec.net.name = c.net;
  spec.net.width = 0.25;
  spec.net.output_stride = c.output_stride;
  spec.net.aspp_rate = 3;
  spec.label_space = "synthia13";
  const Model model(spec, {"cpu", 1}, 5);
  disturb(model.placed()->net());
  model.placed()->touched();
  const std::int64_t images = c.options.batch == OnnxBatch::dynamic ? 2 : 1;
  const auto pixels = at::randint(256, {images, c.size.height, c.size.width, 3}, at::kByte);
  std::vector<at::Tensor> logits, labels;
  for (std::int64_t i = 0; i < images; ++i) {
    const auto one = pixels[i].contiguous();
    const cv::Mat image(c.size, CV_8UC3, one.data_ptr());
    logits.push_back(model.placed()->logits(image));
    const cv::Mat label = model.label(image);
    labels.push_back(at::from_blob(label.data, {c.size.height, c.size.width}, at::kByte).clone());
  }
  model.export_onnx(folder / (name + ".onnx"), c.options);
  const bool floats = c.options.input == OnnxInput::float_nchw;
  write(folder / (name + ".input"), floats ? pixels.permute({0, 3, 1, 2}).to(at::kFloat) : pixels);
  write(folder / (name + ".logits"), at::stack(logits));
  write(folder / (name + ".labels"), at::stack(labels));
  nlohmann::json weights = nlohmann::json::array();
  for (const auto& entry : model.placed()->net().named_parameters()) weights.push_back(entry.key());
  return {{"name", name},
          {"images", images},
          {"height", c.size.height},
          {"width", c.size.width},
          {"classes", logits[0].size(0)},
          {"dynamic", c.options.batch == OnnxBatch::dynamic},
          {"floats", floats},
          {"output", c.options.output == OnnxOutput::labels ? "labels" : "logits"},
          {"parameters", weights}};
}

TEST(OnnxContract, EveryNetGivesTheSameInOnnxRuntime) {
  const test::TempFolder folder;
  nlohmann::json list = nlohmann::json::array();
  for (const auto& c : cases())
    list.push_back(put_case(folder.path(), "case" + std::to_string(list.size()) + "_" + c.net, c));
  config::write_durably(folder / "cases.json", list.dump());
  const char* python = std::getenv("DRIFTLOOP_ONNX_PYTHON");
  const std::string command = std::string(python != nullptr ? python : DRIFTLOOP_ONNX_PYTHON_DEFAULT) + " " +
                              DRIFTLOOP_ONNX_CHECK + " " + folder.path().string();
  const int status = std::system(command.c_str());
  ASSERT_TRUE(WIFEXITED(status)) << command;
  if (WEXITSTATUS(status) == kSkipped || WEXITSTATUS(status) == 127)
    GTEST_SKIP() << "no onnxruntime: scripts/setup.sh --tests fetches it";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(OnnxContract, ASizeThatTheNetCannotTakeIsRefused) {
  const test::TempFolder folder;
  const ModelSpec spec;
  const Model model(spec, {"cpu", 1}, 5);
  EXPECT_THROW(model.export_onnx(folder / "x.onnx", {.size_px = {640, 20}}), Error);
  EXPECT_FALSE(std::filesystem::exists(folder / "x.onnx"));
}

TEST(OnnxContract, TheSizeIsTheOneTheNetWorksAt) {
  EXPECT_EQ(onnx_size({1920, 1080}, 640), cv::Size(640, 360));
  EXPECT_EQ(onnx_size({960, 720}, 240), cv::Size(240, 180));
  EXPECT_EQ(onnx_size({1280, 720}, 0), cv::Size(1280, 720));
  EXPECT_EQ(onnx_size({}, 512), cv::Size(512, 288));
}

}  // namespace
}  // namespace driftloop::adapt
