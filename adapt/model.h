// A net that looks at frames and never learns: what a published file becomes again. The engine holds two of
// them, its live model and its candidate. No LibTorch in this header.
#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <opencv2/core/mat.hpp>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "adapt/data/dataset.h"
#include "adapt/eval/options.h"
#include "adapt/model/onnx_options.h"
#include "adapt/model/options.h"

namespace driftloop::adapt {

struct Evaluation {
  double miou = 0;  // 0..1, over the scored classes that occur; NaN when none does
  std::vector<std::pair<std::string, double>>
      class_iou;  // scored classes in order; NaN where a class does not occur
  std::vector<std::pair<std::string, double>> space_miou;  // of a net of all 19 classes, in each label space
  double pixel_accuracy = 0;                               // 0..1
  double boundary_miou = 0;                                // 0..1, eval/boundary.h
  std::vector<std::pair<std::string, double>> class_boundary_iou;
  double calibration_error = 0;  // 0..1, eval/calibration.h
  std::int64_t images = 0;
  double seconds = 0;  // that the net took for all of them, from a decoded image to its labels
};

/// One frame seen by a model, for pictures.
struct FrameView {
  cv::Mat label;       // 8UC1 trainIds, the most likely class, folded into the label space
  cv::Mat confidence;  // 32FC1, the probability of the most likely class
};

/// What an image goes through before the net, and the logits after it.
struct Preprocessing {
  std::array<float, 3> mean, std;  // RGB, 0..255 scale: (pixel - mean) / std
  bool corners_aligned;            // of the bilinear enlargement of the logits
};

class PlacedNet;

/// A handle: copies share the net. Any call may throw OutOfMemory (engine.h).
class Model {
 public:
  /// The weights in `file` with what its metadata say. Throws Error: no such file or device, no weights file
  /// of driftloop.
  static Model open(const std::filesystem::path& file, const RunsOn& where);
  /// The metadata of a weights file alone.
  static ModelSpec spec_in(const std::filesystem::path& file);
  /// Fresh weights.
  Model(const ModelSpec& spec, const RunsOn& where, std::uint64_t seed);
  explicit Model(std::shared_ptr<PlacedNet> net);

  const ModelSpec& spec() const;
  Preprocessing preprocessing() const;
  /// The same net, labels folded into another space.
  Model in_label_space(const std::string& name) const;

  /// 8UC1 trainIds: the most likely class, folded into the label space (a truck is a car where trucks are
  /// not scored).
  cv::Mat label(const cv::Mat& image_rgb) const;
  FrameView view(const cv::Mat& image_rgb, const EvalOptions& options = {}) const;
  /// Counts every labelled pixel of the data set. Stopped, what it has counted.
  Evaluation evaluate(const Dataset& dataset, const EvalOptions& options, std::stop_token stop) const;
  /// A whole frame: the mean of its unit features (as `cover` uses them), unit length, D long. One forward
  /// pass. Two frames are compared by their dot product, and only within one feature space.
  std::vector<float> describe(const cv::Mat& image_rgb) const;
  /// Names weights and working size, 16 hex digits: another one after every change of the weights.
  std::string feature_space() const;

  /// Durable; the bytes depend on the weights and the spec alone. Throws Error.
  void save(const std::filesystem::path& file) const;

  /// The net, its normalisation and the enlargement of its output to the input's size as one ONNX graph
  /// (opset 17; docs/onnx.md) whose weights have the names that save() gives them. Durable. Runs the net
  /// once. Throws Error: a size below kLeastSidePx, an operation that has no translation, a full disk.
  void export_onnx(const std::filesystem::path& file, const OnnxOptions& options) const;

  /// For the sources of this room.
  const std::shared_ptr<PlacedNet>& placed() const { return net_; }

 private:
  std::shared_ptr<PlacedNet> net_;
};

/// What a person reads of it ("cpu, 2 threads" or the GPU's name). Throws Error (no such device).
std::string device_text(const RunsOn& where);

/// What this process has held at most on that GPU since it began, or since restart_memory_peak(), bytes; 0 on
/// the CPU.
std::int64_t device_memory_peak(const RunsOn& where);
void restart_memory_peak(const RunsOn& where);

/// LibTorch as it is linked, and the GPUs that it sees: "LibTorch 2.9.1, CUDA 13.0, 1 GPU".
std::string learner_text();
int visible_gpus();

}  // namespace driftloop::adapt
