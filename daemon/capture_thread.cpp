#include "daemon/capture_thread.h"

#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>
#include <set>

#include "config/check.h"
#include "config/durable_file.h"
#include "daemon/store_pool.h"

namespace driftloop::daemon {
namespace {
using Clock = std::chrono::steady_clock;

constexpr auto kRead = std::chrono::milliseconds(200);  // how soon a stop is seen
constexpr auto kStatusPeriod = std::chrono::seconds(1);
constexpr auto kFullPause = std::chrono::milliseconds(500);  // before a finite source tries again

/// A drive from a finite source: what of it is stored already, from before a restart.
struct Drive {
  std::string uri;
  std::uint64_t first_sequence = 0;  // of the store, when the drive began
  bool ended = false;
  std::set<std::string> stored_names;
};

void save_drive(const std::filesystem::path& file, const Drive& drive) {
  const nlohmann::json j = {
      {"uri", drive.uri}, {"first_sequence", drive.first_sequence}, {"ended", drive.ended}};
  config::write_durably(file, j.dump(2) + '\n');
}

Drive open_drive(const CaptureParts& parts) {
  const auto frames = parts.store.list();
  Drive drive{parts.camera.uri, frames.empty() ? 0 : frames.back().sequence + 1, false, {}};
  nlohmann::json old;
  if (std::filesystem::exists(parts.progress_file))
    old = nlohmann::json::parse(config::read_file(parts.progress_file), nullptr, /*allow_exceptions=*/false);
  const bool same = old.is_object() && old.value("uri", "") == drive.uri;
  if (!same) {
    save_drive(parts.progress_file, drive);
    return drive;
  }
  drive.first_sequence = old.value("first_sequence", drive.first_sequence);
  drive.ended = old.value("ended", false);
  for (const auto& frame : frames)
    if (frame.sequence >= drive.first_sequence) drive.stored_names.insert(frame.name);
  return drive;
}

class Capture {
 public:
  explicit Capture(const CaptureParts& parts)
      : parts_(parts),
        drive_(open_drive(parts)),
        gate_revision_(parts.gate.revision()),
        gate_(parts.gate.get()) {}

  void run(const std::stop_token& stop) {
    const bool through = drive_.ended && parts_.camera.at_end == capture::AtEnd::stop;
    if (!through) source_ = capture::open_source(parts_.camera);
    parts_.health.ready(Owner::capture);
    if (through) spdlog::info("{} was read to its end by an earlier run", drive_.uri);
    while (!stop.stop_requested() && !through && read_one(stop)) show(Urgency::when_due);
    if (!stop.stop_requested()) {
      status_.ended = true;
      parts_.health.finished(Owner::capture);
    }
    show(Urgency::now);
    parts_.news.tell();
  }

 private:
  enum class Urgency { when_due, now };

  /// False at the end of the source.
  bool read_one(const std::stop_token& stop) {
    capture::ReadResult result = source_->read(kRead);
    parts_.health.progress(Owner::capture);
    if (!result.message.empty() && result.status != capture::ReadStatus::error) {
      spdlog::warn("camera: {}", result.message);
      status_.message = result.message;
    }
    switch (result.status) {
      case capture::ReadStatus::frame:
        take(result.frame, stop);
        return true;
      case capture::ReadStatus::timeout:
        return true;
      case capture::ReadStatus::error:
        throw Error(result.message);
      case capture::ReadStatus::end:
        drive_.ended = true;
        save_drive(parts_.progress_file, drive_);
        spdlog::info("{} is through: {} frames read", drive_.uri, source_->counters().frames);
        return false;
    }
    return false;
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
    if (verdict != capture::Verdict::keep || (finite && drive_.stored_names.count(frame.name) > 0)) return;
    store(frame, finite, stop);
  }

  void store(const capture::Frame& frame, const bool wait_for_room, const std::stop_token& stop) {
    while (true) {
      const capture::PutResult put = parts_.store.put(frame);
      if (put.status == capture::PutStatus::stored) {
        if (!full_.empty()) spdlog::info("there is room for frames again");
        if (status_.message == full_) status_.message.clear();
        full_.clear();
        ++status_.stored;
        parts_.store.set_value(put.id, kPlainValue);
        parts_.news.tell();
        return;
      }
      if (full_ != put.message) spdlog::error("capture pauses: {}", put.message);
      full_ = status_.message = put.message;
      if (!wait_for_room || stop.stop_requested()) {
        ++status_.store_full;
        return;
      }
      parts_.health.progress(Owner::capture);
      room_.wait(stop, kFullPause);
      show(Urgency::when_due);
    }
  }

  void show(Urgency urgency) {
    const auto now = Clock::now();
    if (urgency == Urgency::when_due && now - shown_ < kStatusPeriod) return;
    shown_ = now;
    if (source_) status_.source = source_->counters();
    status_.frames_in_store = static_cast<std::int64_t>(parts_.store.list().size());
    parts_.status.capture(status_);
  }

  const CaptureParts& parts_;
  Drive drive_;
  std::uint64_t gate_revision_;
  capture::FrameGate gate_;
  std::unique_ptr<capture::FrameSource> source_;
  CaptureStatus status_;
  std::string full_;  // why there is no room, "" while there is
  News room_;         // never told: a pause that a stop ends
  Clock::time_point shown_{};
};

}  // namespace

void run_capture(const CaptureParts& parts, std::stop_token stop) {
  Capture(parts).run(stop);
}

}  // namespace driftloop::daemon
