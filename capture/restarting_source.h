// Keeps a live source going: after an error, a stall or an end of stream it is closed and opened again, with
// growing waits. A finite source passes through untouched.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <optional>

#include "capture/source.h"

namespace driftloop::capture {

struct RestartOptions {
  std::chrono::milliseconds first_backoff{200};  // doubles with each failure in a row, up to
  std::chrono::milliseconds max_backoff{5000};
  std::chrono::milliseconds healthy{10'000};  // frames for so long without a failure: the waits begin anew
  int give_up_after = 0;                      // failures in a row without a frame; 0 = never
};

class RestartingSource final : public FrameSource {
 public:
  using Factory = std::function<std::unique_ptr<FrameSource>()>;
  /// `first` is used until it fails; `reopen` makes each successor and may throw Error (that counts as a
  /// failure). Sequences go on rising and names go on counting over restarts.
  RestartingSource(std::unique_ptr<FrameSource> first, Factory reopen, RestartOptions options);

  SourceCounters counters() const override;
  Life life() const override;

 protected:
  /// A failure of a live source is reported once, as a `timeout` with a message. The last of give_up_after
  /// failures in a row throws NeedsNewProcess.
  ReadResult do_read(std::chrono::milliseconds timeout) override;

 private:
  ReadResult close_and_wait(const std::string& why);
  bool open_again(ReadResult& result);

  std::unique_ptr<FrameSource> source_;  // null while waiting for the next attempt
  Factory reopen_;
  RestartOptions options_;
  SourceCounters earlier_;  // of the sources that were closed
  Life life_;
  std::chrono::milliseconds backoff_;
  std::chrono::steady_clock::time_point next_attempt_;
  std::optional<std::chrono::steady_clock::time_point> frames_since_;  // the first frame since a failure
  int failures_ = 0;                                                   // in a row, without a frame between
  std::uint64_t next_sequence_ = 0;
};

}  // namespace driftloop::capture
