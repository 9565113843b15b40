#include "capture/images_source.h"

#include <algorithm>
#include <cctype>
#include <fstream>

#include "capture/gst_source.h"
#include "capture/pipeline_text.h"
#include "config/check.h"

namespace driftloop::capture {
namespace fs = std::filesystem;
namespace {

constexpr double kNominalFps = 10;          // the time between pictures when no rate is given
constexpr std::chrono::seconds kDecode{5};  // longer than any sane picture takes

bool is_picture(const fs::path& path) {
  std::string ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return ending == ".jpg" || ending == ".jpeg" || ending == ".png";
}

std::vector<fs::path> pictures_in(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> files;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (it->is_regular_file() && is_picture(it->path())) files.push_back(it->path());
  if (error)
    throw Error("source images://" + folder.string() + ": cannot read the folder: " + error.message());
  if (files.empty())
    throw Error("source images://" + folder.string() +
                ": there is no .jpg, .jpeg or .png file in this folder");
  std::sort(files.begin(), files.end());
  return files;
}

/// GStreamer's pngdec (1.22) turns 16-bit colours into wrong ones without a word: better none than those.
bool is_deep_png(const fs::path& file) {
  char header[25] = {};  // signature 8, IHDR length and type 8, width 4, height 4, bit depth
  std::ifstream(file, std::ios::binary).read(header, sizeof header);
  return std::string(header + 1, 3) == "PNG" && header[24] == 16;
}

/// The picture through a pipeline of its own, so that a damaged file ends with it and not the drive.
ReadResult decode(const fs::path& file, const SourceOptions& options) {
  if (is_deep_png(file))
    return {ReadStatus::error,
            {},
            "it has 16 bits a colour; convert it to 8 (for example with ImageMagick's -depth 8)"};
  GstSourceOptions gst;
  gst.pipeline = image_pipeline_text(file.string(), options);
  gst.what = file.string();
  gst.start_timeout = kDecode;
  GstSource source(gst);
  return source.read(kDecode);
}

}  // namespace

ImagesSource::ImagesSource(const SourceOptions& options)
    : options_(options), files_(pictures_in(parse_uri(options.uri).path)) {
  const double fps = options.fps_limit > 0 ? options.fps_limit : kNominalFps;
  step_ns_ = static_cast<std::int64_t>(1e9 / fps);
  opened_ns_ = std::chrono::duration_cast<std::chrono::nanoseconds>(
                   std::chrono::system_clock::now().time_since_epoch())
                   .count();
}

ReadResult ImagesSource::do_read(std::chrono::milliseconds) {
  std::string skipped;
  while (true) {
    if (next_ == files_.size()) {
      if (good_in_pass_ == 0)
        return {ReadStatus::error,
                {},
                "source " + options_.uri + ": none of its " + std::to_string(files_.size()) +
                    " pictures could be decoded; " + skipped};
      if (options_.at_end == AtEnd::stop) return {ReadStatus::end, {}, skipped};
      next_ = good_in_pass_ = 0;
    }
    const fs::path& file = files_[next_++];
    ReadResult result = decode(file, options_);
    if (result.status == ReadStatus::frame) {
      result.frame.name = file.stem().string();
      result.frame.captured_ns = opened_ns_ + static_cast<std::int64_t>(sequence_) * step_ns_;
      result.frame.sequence = sequence_++;
      result.message = skipped;
      ++counters_.frames;
      ++good_in_pass_;
      return result;
    }
    ++counters_.skipped;
    skipped =
        "skipped " + file.string() + ": " + (result.message.empty() ? "it holds no picture" : result.message);
  }
}

}  // namespace driftloop::capture
