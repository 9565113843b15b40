#include "capture/restarting_source.h"

#include <algorithm>
#include <cstdio>
#include <thread>

#include "config/check.h"

namespace driftloop::capture {
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

RestartingSource::RestartingSource(std::unique_ptr<FrameSource> first, Factory reopen, RestartOptions options)
    : source_(std::move(first)),
      reopen_(std::move(reopen)),
      options_(options),
      life_(source_->life()),
      backoff_(options.first_backoff) {
  DL_CHECK(options_.first_backoff.count() > 0, options_.first_backoff.count());
}

SourceCounters RestartingSource::counters() const {
  SourceCounters all = earlier_;
  if (source_) {
    const SourceCounters now = source_->counters();
    all.frames += now.frames;
    all.skipped += now.skipped;
  }
  return all;
}

Life RestartingSource::life() const {
  return life_;
}

ReadResult RestartingSource::close_and_wait(const std::string& why) {
  earlier_ = counters();
  source_.reset();
  frames_since_.reset();
  ++failures_;
  if (options_.give_up_after > 0 && failures_ >= options_.give_up_after)
    throw NeedsNewProcess(why + "; " + std::to_string(failures_) +
                          " failures in a row: a new process is needed");
  next_attempt_ = Clock::now() + backoff_;
  ReadResult result;
  result.message = why + "; opened again in " + std::to_string(backoff_.count()) + " ms";
  backoff_ = std::min(2 * backoff_, std::max(options_.max_backoff, options_.first_backoff));
  return result;
}

bool RestartingSource::open_again(ReadResult& result) {
  ++earlier_.restarts;
  try {
    source_ = reopen_();
    return true;
  } catch (const NeedsNewProcess&) {
    throw;
  } catch (const Error& error) {
    result = close_and_wait(error.what());
    return false;
  }
}

ReadResult RestartingSource::do_read(milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  if (!source_) {
    // The wait is the point here: nothing can wake a camera earlier.
    std::this_thread::sleep_until(std::min(deadline, next_attempt_));
    if (Clock::now() < next_attempt_) return {};
    ReadResult result;
    if (!open_again(result)) return result;
  }
  const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
  ReadResult result = source_->read(std::max(left, milliseconds(0)));
  if (source_->life() == Life::live) life_ = Life::live;
  if (result.status == ReadStatus::frame) {
    // One frame is no health: a camera that flaps would be opened as often as it fails.
    const auto now = Clock::now();
    if (!frames_since_) frames_since_ = now;
    if (now - *frames_since_ >= options_.healthy) backoff_ = options_.first_backoff;
    failures_ = 0;
    result.frame.sequence = next_sequence_++;
    if (life_ == Life::live) {
      char name[32];
      std::snprintf(name, sizeof name, "%06llu", static_cast<unsigned long long>(result.frame.sequence));
      result.frame.name = name;
    }
  }
  const bool over = result.status == ReadStatus::error || result.status == ReadStatus::end;
  if (!over || life_ == Life::finite) return result;
  return close_and_wait(result.status == ReadStatus::end ? "the live source ended its stream"
                                                         : result.message);
}

}  // namespace driftloop::capture
