// A procedural renderer of street scenes with exact 19-class masks: the data behind the demo, the tests and
// the benchmarks.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <opencv2/core/mat.hpp>
#include <string>
#include <vector>

#include "config/fields.h"

namespace driftloop::adapt {

struct StreetsimOptions {
  int width = 320;              // pixels, 64..4096
  int height = 192;             // pixels, 48..4096
  std::string look = "street";  // one of streetsim_looks()
  std::int64_t seed = 1;        // another seed is another town
  double speed_m = 1.0;         // metres the camera moves per frame, 0.01..1000
};
void describe(config::Fields& fields, StreetsimOptions& options);

/// Both of height x width. The mask has the geometry of the picture, without anti-aliasing.
struct StreetFrame {
  cv::Mat image_rgb;  // 8UC3, RGB
  cv::Mat label;      // 8UC1, trainIds 0..18 (255 never occurs today)
};

/// The names in the look table, in its order.
std::vector<std::string> streetsim_looks();

/// One drive through one town. Immutable: `frame` may be called from any number of threads.
class Streetsim {
 public:
  /// Throws Error for an unknown look or a size or speed out of range.
  explicit Streetsim(const StreetsimOptions& options);
  ~Streetsim();
  Streetsim(Streetsim&&) noexcept;
  Streetsim& operator=(Streetsim&&) noexcept;

  /// The frame seen after index * speed_m metres; a pure function of the options and the index, which may be
  /// negative. Frames far apart (or of other seeds) make a training set, consecutive ones a video.
  StreetFrame frame(std::int64_t index) const;
  const StreetsimOptions& options() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct WriteDriveOptions {
  std::int64_t first = 0;            // index of the first frame
  std::int64_t count = 100;          // frames to write
  std::int64_t stride = 1;           // index step between frames
  std::string name = "frame";        // file names are <name>_000000, numbered from 0
  std::string image_format = "jpg";  // jpg (quality 95) or png (exact)
  /// Called after each frame with frames done and frames in all; may be empty.
  std::function<void(std::int64_t done, std::int64_t total)> progress{};
};

/// Writes <folder>/images/<name>_NNNNNN.jpg|png and <folder>/labels/<name>_NNNNNN.png (trainIds), the layout
/// of a `folder` data set. Makes the folders; files of the same names are replaced. Blocks until done. Throws
/// Error for options that make no sense and when a file cannot be written.
void write_drive(const Streetsim& streetsim, const std::filesystem::path& folder,
                 const WriteDriveOptions& options);

}  // namespace driftloop::adapt
