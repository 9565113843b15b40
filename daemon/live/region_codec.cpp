#include "daemon/live/region_codec.h"

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "config/check.h"
#include "config/label_space.h"

namespace driftloop::daemon {
namespace {

uplink::Box to_box(const cv::Rect& rect) {
  return {rect.x, rect.y, rect.width, rect.height};
}

std::string file_bytes(const char* extension, const cv::Mat& image, const std::vector<int>& settings) {
  std::vector<unsigned char> bytes;
  const bool done = cv::imencode(extension, image, bytes, settings);
  DL_CHECK(done, extension, image.cols, image.rows);
  return {bytes.begin(), bytes.end()};
}

std::string encode_rgb(const cv::Mat& image_rgb, const CodecOptions& options) {
  cv::Mat bgr;
  cv::cvtColor(image_rgb, bgr, cv::COLOR_RGB2BGR);
  if (options.format == "png") return file_bytes(".png", bgr, {});
  if (options.format == "webp") return file_bytes(".webp", bgr, {cv::IMWRITE_WEBP_QUALITY, options.quality});
  // Tables of its own: a file of few pixels is mostly tables.
  return file_bytes(".jpg", bgr, {cv::IMWRITE_JPEG_QUALITY, options.quality, cv::IMWRITE_JPEG_OPTIMIZE, 1});
}

}  // namespace

cv::Rect context_crop(const cv::Rect& box_px, cv::Size frame_px, int context_px) {
  const cv::Rect frame({0, 0}, frame_px);
  DL_CHECK((box_px & frame) == box_px && !box_px.empty(), box_px, frame_px);
  const cv::Rect wide(box_px.x - context_px, box_px.y - context_px, box_px.width + 2 * context_px,
                      box_px.height + 2 * context_px);
  return wide & frame;
}

bool can_encode(const std::string& format) {
  return cv::haveImageWriter("." + format);
}

double expected_bytes(int region_px, const CodecOptions& options) {
  // Street scenes at quality 90, measured on crops of 18, 56 and 112 px (docs/results.md); a prediction and
  // the names take about 300 bytes.
  struct Cost {
    double file_bytes, pixel_bytes;
  };
  const Cost cost = options.format == "png"    ? Cost{60, 1.6}
                    : options.format == "webp" ? Cost{60, 0.28}
                                               : Cost{330, 0.33};
  constexpr double kBesideBytes = 300;
  const double side = region_px + 2.0 * options.context_px;
  return side * side * cost.pixel_bytes + cost.file_bytes + kBesideBytes;
}

uplink::RegionRequest encode_region(const SeenFrame& frame, const adapt::Region& region, int round,
                                    const CodecOptions& options) {
  const cv::Size size = frame.image_rgb.size();
  DL_CHECK(frame.prediction.empty() || frame.prediction.size() == size, frame.prediction.size(), size);
  const cv::Rect crop = context_crop(region.box_px, size, options.context_px);
  uplink::RegionRequest request;
  request.vehicle_id = options.vehicle_id;
  request.frame_name = frame.stored.name;
  request.captured_ns = frame.stored.captured_ns;
  request.frame_width = size.width;
  request.frame_height = size.height;
  request.box = to_box(region.box_px);
  request.crop = to_box(crop);
  request.crop_image = encode_rgb(frame.image_rgb(crop), options);
  if (!frame.prediction.empty())
    request.prediction_png = file_bytes(".png", frame.prediction(region.box_px), {});
  request.score = region.score;
  request.strategy = options.strategy;
  request.round = round;
  request.label_space = options.label_space;
  return request;
}

uplink::Decoded<cv::Mat> decode_mask(const uplink::LabelReply& reply, const cv::Rect& box_px,
                                     const std::string& label_space) {
  const std::vector<unsigned char> bytes(reply.mask_png.begin(), reply.mask_png.end());
  cv::Mat mask;
  try {
    if (!bytes.empty()) mask = cv::imdecode(bytes, cv::IMREAD_UNCHANGED);
  } catch (const cv::Exception&) {
    mask.release();
  }
  if (mask.empty()) return {{}, "its mask is not a readable PNG"};
  if (mask.type() != CV_8UC1) return {{}, "its mask is not 8-bit with one channel"};
  if (mask.size() != box_px.size())
    return {{},
            "its mask is " + std::to_string(mask.cols) + "x" + std::to_string(mask.rows) + ", the region " +
                std::to_string(box_px.width) + "x" + std::to_string(box_px.height)};
  const auto& fold = config::label_space(label_space).fold;
  for (int y = 0; y < mask.rows; ++y)
    for (int x = 0; x < mask.cols; ++x) {
      const std::uint8_t id = mask.at<std::uint8_t>(y, x);
      if (id == config::kIgnore || (id < config::kClasses && fold[id] == id)) continue;
      return {{},
              "it holds class " + std::to_string(id) + ", which label space '" + label_space +
                  "' does not have (is the station set to another one?)"};
    }
  return {std::move(mask), {}};
}

}  // namespace driftloop::daemon
