// What an exported ONNX graph takes and gives; no LibTorch in this header.
#pragma once
#include <opencv2/core/types.hpp>

namespace driftloop::adapt {

enum class OnnxBatch { one, dynamic };
enum class OnnxInput {
  rgb8_nhwc,   // "image": uint8 (N, H, W, 3), RGB, as a camera's frame lies in memory
  float_nchw,  // "image": float (N, 3, H, W), RGB, 0..255
};
enum class OnnxOutput {
  logits,  // "logits": float (N, C, H, W)
  labels,  // "labels": uint8 (N, H, W), trainIds folded into the label space, as Model::label gives them
};

struct OnnxOptions {
  cv::Size size_px;  // of the input, fixed in the graph: the size the net works at
  OnnxBatch batch = OnnxBatch::one;
  OnnxInput input = OnnxInput::rgb8_nhwc;
  OnnxOutput output = OnnxOutput::logits;
};

/// `frame` as a net of that working size sees it (`work_long_side_px` 0 = as it is); for an empty frame the
/// working size of a 16:9 camera.
cv::Size onnx_size(cv::Size frame, int work_long_side_px);

}  // namespace driftloop::adapt
