// A folder of pictures as a source, in the order of their names.
#pragma once
#include <filesystem>
#include <vector>

#include "capture/source.h"

namespace driftloop::capture {

class ImagesSource final : public FrameSource {
 public:
  /// Throws Error when the folder is missing or holds no .jpg, .jpeg or .png (any case; subfolders are not
  /// entered).
  explicit ImagesSource(const SourceOptions& options);

  SourceCounters counters() const override { return counters_; }
  Life life() const override { return Life::finite; }

 protected:
  /// A file that cannot be decoded is skipped, counted and told in the message of the next result.
  ReadResult do_read(std::chrono::milliseconds timeout) override;

 private:
  SourceOptions options_;
  std::vector<std::filesystem::path> files_;
  std::size_t next_ = 0;
  std::size_t good_in_pass_ = 0;
  std::uint64_t sequence_ = 0;
  std::int64_t opened_ns_ = 0;
  std::int64_t step_ns_ = 0;  // pictures have no clock: this far apart
  SourceCounters counters_;
};

}  // namespace driftloop::capture
