// Ground truth as the labeller: what the benchmark and the demo answer with. Every region that it cannot
// answer is refused with a reason, never guessed.
#include <filesystem>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include "config/check.h"
#include "config/label_space.h"
#include "station/label_source.h"

namespace driftloop::station {
namespace fs = std::filesystem;
namespace {

class OracleSource : public LabelSource {
 public:
  explicit OracleSource(const LabelSourceOptions& options)
      : folder_(options.folder), ids_(options.ids), table_(config::id_table(options.ids)) {
    std::error_code error;
    if (options.folder.empty() || !fs::is_directory(folder_, error))
      throw Error("the oracle's folder '" + options.folder +
                  "' does not exist (expected ground truth as <folder>/<frame name>.png)");
    if (!options.label_space.empty()) space_ = &config::label_space(options.label_space);
  }

  std::optional<uplink::LabelReply> answer(const Request& request, std::int64_t now_ns) override {
    uplink::LabelReply reply;
    reply.request_digest = request.digest;
    reply.labeller = "oracle";
    reply.labelled_ns = now_ns;
    reply.reason = load(request.region);
    if (reply.reason.empty()) {
      const uplink::Box& box = request.region.box;
      reply.mask_png = png_of(truth_hw_(cv::Rect(box.x, box.y, box.width, box.height)));
      reply.outcome = uplink::LabelReply::Outcome::labelled;
    }
    return reply;
  }

 private:
  /// Makes truth_hw_ the trainIds of the region's frame, or says in one line why it cannot.
  std::string load(const uplink::RegionRequest& region) {
    if (loaded_name_ != region.frame_name) {
      loaded_name_.clear();
      const std::string problem = read(region.frame_name);
      if (!problem.empty()) return problem;
      loaded_name_ = region.frame_name;
    }
    if (truth_hw_.cols == region.frame_width && truth_hw_.rows == region.frame_height) return {};
    return "the label map of " + region.frame_name + " is " + size_text(truth_hw_.cols, truth_hw_.rows) +
           ", the frame " + size_text(region.frame_width, region.frame_height);
  }

  std::string read(const std::string& frame_name) {
    const fs::path file = folder_ / (frame_name + ".png");
    const std::string shown = frame_name + ".png";
    std::error_code error;
    if (!fs::is_regular_file(file, error)) return "there is no label file " + shown;
    cv::Mat ids_hw;
    try {
      ids_hw = cv::imread(file.string(), cv::IMREAD_UNCHANGED);
    } catch (const cv::Exception&) {
      ids_hw.release();
    }
    if (ids_hw.empty()) return "the label file " + shown + " cannot be read as an image";
    if (ids_hw.type() != CV_8UC1) return "the label file " + shown + " is not 8-bit with one channel";
    const std::vector<int> unknown = config::unknown_ids(ids_hw, ids_);
    if (!unknown.empty())
      return "the label file " + shown + " holds the value " + std::to_string(unknown.front()) + ", which '" +
             ids_ + "' does not know";
    truth_hw_ = config::map_labels(ids_hw, table_);
    if (space_) truth_hw_ = config::map_labels(truth_hw_, space_->fold);
    return {};
  }

  static std::string size_text(int width, int height) {
    return std::to_string(width) + "x" + std::to_string(height);
  }

  static std::string png_of(const cv::Mat& mask_hw) {
    std::vector<unsigned char> png;
    const bool done = cv::imencode(".png", mask_hw, png);
    DL_CHECK(done, mask_hw.cols, mask_hw.rows);
    return {png.begin(), png.end()};
  }

  fs::path folder_;
  std::string ids_;
  config::TrainIdTable table_;
  const config::LabelSpace* space_ = nullptr;
  std::string loaded_name_;  // regions of one frame come together: the last one is kept
  cv::Mat truth_hw_;
};

}  // namespace

std::unique_ptr<LabelSource> make_oracle_source(const LabelSourceOptions& options) {
  return std::make_unique<OracleSource>(options);
}

}  // namespace driftloop::station
