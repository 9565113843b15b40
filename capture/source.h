// Where frames come from. A camera is a URI; the table of schemes is in source_table.cpp.
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "capture/frame.h"
#include "config/check.h"
#include "config/fields.h"

namespace driftloop::capture {

/// No attempt in this process can mend it (a camera service that was restarted behind a socket that is bound
/// to the old one, a driver that hangs): whoever supervises the process must start a new one.
struct NeedsNewProcess : Error {
  using Error::Error;
};

enum class ReadStatus {
  frame,    // `frame` holds the next picture
  timeout,  // nothing yet: read again
  end,      // a finite source is through; every later read says so again
  error     // the source failed for good; every later read says so again
};

struct ReadResult {
  ReadStatus status = ReadStatus::timeout;
  Frame frame;
  /// With `error`: why, and what to do. With any other status, when not empty: one line worth logging (a
  /// picture that was skipped, a camera that is being restarted).
  std::string message;
};

struct SourceCounters {
  std::uint64_t frames = 0;    // delivered
  std::uint64_t skipped = 0;   // pictures that arrived but could not be used (corrupt file, damaged buffer)
  std::uint64_t restarts = 0;  // times a live source was opened again after a failure or a stall
};

enum class Life {
  live,   // a camera: it has no end, so errors, stalls and ends of stream are answered by a restart
  finite  // a file, a folder, a generator: an error is final, an end is an end
};

/// One owner, one thread. The destructor stops the device (end of stream first), within 2.5 s.
class FrameSource {
 public:
  virtual ~FrameSource() = default;
  FrameSource() = default;
  FrameSource(const FrameSource&) = delete;
  FrameSource& operator=(const FrameSource&) = delete;

  /// Blocks for at most about `timeout` (>= 0), apart from opening a device. Throws NeedsNewProcess (see
  /// SourceOptions::give_up_after), and Error for pictures in a format that cannot be used.
  [[nodiscard]] ReadResult read(std::chrono::milliseconds timeout);
  virtual SourceCounters counters() const = 0;
  /// What is known so far: a free pipeline is `finite` until it has started as live.
  virtual Life life() const = 0;

 protected:
  virtual ReadResult do_read(std::chrono::milliseconds timeout) = 0;

 private:
  std::optional<ReadResult> final_;  // the end or error that was already reported
  std::optional<std::uint64_t> last_sequence_;
};

enum class AtEnd { stop, loop };

struct SourceOptions {
  std::string uri;
  int width = 0, height = 0;
  double fps_limit = 0;
  AtEnd at_end = AtEnd::stop;
  int stall_timeout_ms = 3000;
  int start_timeout_ms = 10'000;
  int restart_backoff_ms = 200;
  int restart_backoff_max_ms = 5000;
  int give_up_after = -1;
};
void describe(config::Fields& f, SourceOptions& o);

/// Throws Error for what a restart cannot mend: an unknown scheme, a missing file, folder or plugin, a
/// pipeline that does not parse. A camera that is merely absent is not an error: it is retried. No message of
/// a source repeats a password of its uri.
std::unique_ptr<FrameSource> open_source(const SourceOptions& options);

}  // namespace driftloop::capture
