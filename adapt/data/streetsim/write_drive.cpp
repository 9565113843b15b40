#include <iomanip>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <sstream>

#include "adapt/data/streetsim/streetsim.h"
#include "config/check.h"
#include "config/durable_file.h"

namespace driftloop::adapt {
namespace {

void check_options(const WriteDriveOptions& o) {
  if (o.count < 1)
    throw Error("write_drive: count is " + std::to_string(o.count) + "; give at least 1 frame");
  if (o.stride < 1) throw Error("write_drive: stride is " + std::to_string(o.stride) + "; give at least 1");
  if (o.image_format != "jpg" && o.image_format != "png")
    throw Error("write_drive: image format '" + o.image_format + "' is not known (known: jpg, png)");
  if (o.name.empty() || o.name.find('/') != std::string::npos)
    throw Error("write_drive: '" + o.name + "' cannot be the start of a file name");
}

void write_image(const std::filesystem::path& path, const cv::Mat& image) {
  bool written = false;
  std::string cause = "cannot write (disk full, or no permission?)";
  try {
    written =
        cv::imwrite(path.string(), image, {cv::IMWRITE_JPEG_QUALITY, 95, cv::IMWRITE_PNG_COMPRESSION, 3});
  } catch (const cv::Exception& e) {
    cause = e.err;
  }
  if (!written) throw Error("write_drive: " + path.string() + ": " + cause);
}

}  // namespace

void write_drive(const Streetsim& streetsim, const std::filesystem::path& folder,
                 const WriteDriveOptions& o) {
  check_options(o);
  config::make_folder(folder / "images");
  config::make_folder(folder / "labels");
  for (std::int64_t i = 0; i < o.count; ++i) {
    const StreetFrame frame = streetsim.frame(o.first + i * o.stride);
    std::ostringstream name;
    name << o.name << '_' << std::setw(6) << std::setfill('0') << i;
    cv::Mat bgr;
    cv::cvtColor(frame.image_rgb, bgr, cv::COLOR_RGB2BGR);
    write_image(folder / "images" / (name.str() + "." + o.image_format), bgr);
    write_image(folder / "labels" / (name.str() + ".png"), frame.label);
    if (o.progress) o.progress(i + 1, o.count);
  }
}

}  // namespace driftloop::adapt
