#include "daemon/live/capture_thread.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "config/check.h"
#include "config/digest.h"
#include "config/durable_file.h"
#include "config/redact.h"
#include "daemon/live/log_limit.h"

namespace driftloop::daemon {
namespace {
using Clock = std::chrono::steady_clock;

constexpr auto kRead = std::chrono::milliseconds(200);  // how soon a stop is seen
constexpr auto kStatusPeriod = std::chrono::seconds(1);
constexpr auto kFullPause = std::chrono::milliseconds(500);  // before a finite source tries again

constexpr auto kLook = std::chrono::milliseconds(1000);  // signs of life during a long pause

/// A drive from a finite source: what of it is stored already, from before a restart.
struct Drive {
  std::string digest;                // of the uri, which may hold a password
  std::uint64_t first_sequence = 0;  // of the store, when the drive began
  bool ended = false;
  std::set<std::string> stored_names;
};

void save_drive(const CaptureParts& parts, const Drive& drive) {
  const nlohmann::json j = {{"source", config::without_secrets(parts.camera.uri)},
                            {"uri_sha256", drive.digest},
                            {"first_sequence", drive.first_sequence},
                            {"ended", drive.ended}};
  config::write_durably(parts.progress_file,
                        j.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + '\n');
}

Drive open_drive(const CaptureParts& parts) {
  const auto frames = parts.store.list();
  Drive drive{
      config::sha256_hex(parts.camera.uri), frames.empty() ? 0 : frames.back().sequence + 1, false, {}};
  nlohmann::json old;
  if (std::filesystem::exists(parts.progress_file))
    old = nlohmann::json::parse(config::read_file(parts.progress_file), nullptr, /*allow_exceptions=*/false);
  const bool known = old.is_object() && old.value("uri_sha256", "") == drive.digest;
  // Until version 0.1 the file held the uri itself, with its password.
  const bool known_by_uri = old.is_object() && old.value("uri", "") == parts.camera.uri;
  if (known || known_by_uri) {
    drive.first_sequence = old.value("first_sequence", drive.first_sequence);
    drive.ended = old.value("ended", false);
    for (const auto& frame : frames)
      if (frame.sequence >= drive.first_sequence) drive.stored_names.insert(frame.name);
  }
  if (!known) save_drive(parts, drive);
  return drive;
}

class Capture {
 public:
  explicit Capture(const CaptureParts& parts)
      : parts_(parts),
        what_(config::without_secrets(parts.camera.uri)),
        gate_revision_(parts.gate.revision()),
        gate_(parts.gate.get()),
        backoff_(parts.retry.first) {}

  void run(const std::stop_token& stop) {
    while (!stop.stop_requested() && !through_) {
      try {
        drive(stop);
      } catch (const capture::NeedsNewProcess&) {
        throw;
      } catch (const Error& error) {
        rest(error.what(), stop);
      }
    }
    if (!stop.stop_requested()) {
      status_.ended = true;
      parts_.health.finished(Owner::capture);
    }
    show(Urgency::now);
    parts_.news.tell();
  }

 private:
  enum class Urgency { when_due, now };

  /// From opening the source to its end or a stop. Throws Error.
  void drive(const std::stop_token& stop) {
    if (!drive_) drive_ = open_drive(parts_);
    if (drive_->ended && parts_.camera.at_end == capture::AtEnd::stop) {
      parts_.health.ready(Owner::capture);
      spdlog::info("{} was read to its end by an earlier run", what_);
      through_ = true;
      return;
    }
    first_frame_.reset();
    last_frame_ = Clock::now();
    source_ = capture::open_source(parts_.camera);
    parts_.health.ready(Owner::capture);
    while (!stop.stop_requested() && !through_) {
      read_one(stop);
      show(Urgency::when_due);
    }
  }

  /// The source cannot be used for now. The others go on meanwhile, so this is not a death.
  void rest(const std::string& why, const std::stop_token& stop) {
    if (source_) earlier_ = counters();
    source_.reset();
    if (first_frame_ && Clock::now() - *first_frame_ >= parts_.retry.healthy) backoff_ = parts_.retry.first;
    if (const std::string failure = parts_.store.failure(); !failure.empty()) {
      degrade(failure +
              "; no frame is kept until driftloopd is started again: mend the disk, then restart it");
      while (!stop.stop_requested()) pause(kLook, stop);
      return;
    }
    degrade(why + "; opened again in " + std::to_string(backoff_.count()) + " ms");
    pause(backoff_, stop);
    backoff_ = std::min(2 * backoff_, parts_.retry.most);
  }

  void degrade(const std::string& why) {
    troubled_ = true;
    status_.message = why;
    parts_.health.degraded(Owner::capture, why);
    warn("capture: " + why);
    show(Urgency::now);
  }

  void pause(Clock::duration time, const std::stop_token& stop) {
    const auto end = Clock::now() + time;
    for (auto now = Clock::now(); now < end && !stop.stop_requested(); now = Clock::now()) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - now);
      pause_.wait(stop, std::min<std::chrono::milliseconds>(left, kLook));
      parts_.health.progress(Owner::capture);
      show(Urgency::when_due);
    }
  }

  void read_one(const std::stop_token& stop) {
    capture::ReadResult result = source_->read(kRead);
    parts_.health.progress(Owner::capture);
    if (!result.message.empty() && result.status != capture::ReadStatus::error) {
      warn("camera: " + result.message);
      status_.message = result.message;
    }
    switch (result.status) {
      case capture::ReadStatus::frame:
        recover();
        take(result.frame, stop);
        last_frame_ = Clock::now();  // a wait for room is no silence
        return;
      case capture::ReadStatus::timeout:
        if (is_silent() && !troubled_)
          degrade(status_.message.empty() ? "no frame from " + what_ : status_.message);
        return;
      case capture::ReadStatus::error:
        throw Error(result.message);
      case capture::ReadStatus::end:
        drive_->ended = true;
        save_drive(parts_, *drive_);
        spdlog::info("{} is through: {} frames read", what_, source_->counters().frames);
        through_ = true;
        return;
    }
  }

  /// A camera that is opened again and again, or gives nothing.
  bool is_silent() const {
    const double fps = parts_.camera.fps_limit;
    const auto slow = std::chrono::milliseconds(fps > 0 ? static_cast<std::int64_t>(3000 / fps) : 0);
    return source_->life() == capture::Life::live &&
           Clock::now() - last_frame_ >= std::max<std::chrono::milliseconds>(parts_.retry.silent, slow);
  }

  void recover() {
    if (!first_frame_) first_frame_ = Clock::now();
    if (!troubled_) return;
    troubled_ = false;
    status_.message.clear();
    parts_.health.recovered(Owner::capture);
    warn("capture: " + what_ + " gives frames again");
  }

  void take(const capture::Frame& frame, const std::stop_token& stop) {
    if (parts_.gate.revision() != gate_revision_) {
      gate_revision_ = parts_.gate.revision();
      gate_ = capture::FrameGate(parts_.gate.get());
      spdlog::info("the gate has new settings");
    }
    // The gate sees also what was stored before a restart: it compares each frame with the last one kept.
    const auto verdict = gate_.look(frame).verdict;
    ++status_.gate[static_cast<std::size_t>(verdict)];
    const bool finite =
        source_->life() == capture::Life::finite && parts_.camera.at_end == capture::AtEnd::stop;
    if (verdict != capture::Verdict::keep || (finite && drive_->stored_names.count(frame.name) > 0)) return;
    store(frame, finite, stop);
  }

  void store(const capture::Frame& frame, const bool finite, const std::stop_token& stop) {
    while (true) {
      const capture::PutResult put = parts_.store.put(frame);
      if (put.status == capture::PutStatus::stored) {
        if (!full_.empty()) {
          warn("there is room for frames again");
          if (status_.message == full_) status_.message.clear();
        }
        full_.clear();
        ++status_.stored;
        // The source may be opened again by this process.
        if (finite) drive_->stored_names.insert(frame.name);
        parts_.news.tell();
        return;
      }
      if (full_ != put.message) warn("capture pauses: " + put.message);
      full_ = status_.message = put.message;
      if (!finite || stop.stop_requested()) {
        ++status_.store_full;
        return;
      }
      pause(kFullPause, stop);
    }
  }

  void warn(const std::string& line) {
    if (const auto told = limit_.pass(line, Clock::now())) spdlog::warn("{}", *told);
  }

  /// Of all sources that were opened.
  capture::SourceCounters counters() const {
    capture::SourceCounters all = earlier_;
    if (!source_) return all;
    const auto now = source_->counters();
    all.frames += now.frames;
    all.skipped += now.skipped;
    all.restarts += now.restarts;
    return all;
  }

  void show(Urgency urgency) {
    const auto now = Clock::now();
    if (urgency == Urgency::when_due && now - shown_ < kStatusPeriod) return;
    shown_ = now;
    for (const auto& line : limit_.due(now)) spdlog::warn("{}", line);
    status_.source = counters();
    status_.frames_in_store = static_cast<std::int64_t>(parts_.store.size());
    parts_.status.capture(status_);
  }

  const CaptureParts& parts_;
  const std::string what_;  // the uri as it may be told
  std::optional<Drive> drive_;
  std::uint64_t gate_revision_;
  capture::FrameGate gate_;
  std::unique_ptr<capture::FrameSource> source_;  // null while it rests
  capture::SourceCounters earlier_;               // of the sources that were closed
  std::chrono::milliseconds backoff_;
  std::optional<Clock::time_point> first_frame_;  // of this source
  Clock::time_point last_frame_{}, shown_{};
  bool through_ = false, troubled_ = false;
  CaptureStatus status_;
  LogLimit limit_;
  std::string full_;  // why there is no room, "" while there is
  News pause_;        // never told: a pause that a stop ends
};

}  // namespace

void run_capture(const CaptureParts& parts, std::stop_token stop) {
  Capture(parts).run(stop);
}

}  // namespace driftloop::daemon
