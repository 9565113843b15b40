#include "daemon/live_status.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "config/check.h"
#include "config/durable_file.h"

namespace driftloop::daemon {
namespace {

const char* state_name(uplink::LinkReport::State state) {
  using State = uplink::LinkReport::State;
  switch (state) {
    case State::connecting:
      return "connecting";
    case State::greeting:
      return "greeting";
    case State::up:
      return "up";
    case State::refused:
      return "refused";
  }
  return "unknown";
}

nlohmann::json camera_json(const CaptureStatus& c) {
  nlohmann::json gate = nlohmann::json::object();
  for (int verdict = 0; verdict < capture::kVerdicts; ++verdict)
    gate[std::string(capture::verdict_name(static_cast<capture::Verdict>(verdict)))] =
        c.gate[static_cast<std::size_t>(verdict)];
  return {{"frames", c.source.frames}, {"skipped", c.source.skipped}, {"restarts", c.source.restarts},
          {"gate", std::move(gate)},   {"stored", c.stored},          {"store_full", c.store_full},
          {"ended", c.ended},          {"message", c.message}};
}

nlohmann::json link_json(const LinkStatus& l) {
  const auto& t = l.report.totals;
  return {{"connected", l.report.state == uplink::LinkReport::State::up},
          {"state", state_name(l.report.state)},
          {"message", l.report.problem},
          {"public_key", l.public_key},
          {"regions_receipted", t.regions_receipted},
          {"regions_refused", t.regions_refused},
          {"labels_stored", t.labels_stored},
          {"labels_repeated", t.labels_repeated},
          {"connections", t.connections}};
}

}  // namespace

LiveStatus::LiveStatus(std::filesystem::path file) : file_(std::move(file)) {
  if (!std::filesystem::exists(file_)) return;
  const auto old = nlohmann::json::parse(config::read_file(file_), nullptr, /*allow_exceptions=*/false);
  if (!old.is_object()) return;
  const auto number = [&](const char* key) {
    const auto found = old.find(key);
    return found != old.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
  };
  sent_before_ = number("bytes_sent");
  received_before_ = number("bytes_received");
}

void LiveStatus::loop(const LoopStatus& status) {
  bool at_once = false;
  {
    const std::lock_guard lock(mutex_);
    at_once = status.phase != loop_.phase || status.message != loop_.message || status.round != loop_.round;
    loop_ = status;
    changed_ = true;
  }
  if (at_once) write_now(Ending::running);
}

void LiveStatus::capture(const CaptureStatus& status) {
  const std::lock_guard lock(mutex_);
  capture_ = status;
  changed_ = true;
}

void LiveStatus::link(const LinkStatus& status) {
  const std::lock_guard lock(mutex_);
  link_ = status;
  changed_ = true;
}

std::int64_t LiveStatus::bytes_sent() const {
  const std::lock_guard lock(mutex_);
  return sent_before_ + link_.report.totals.bytes_sent;
}

std::int64_t LiveStatus::bytes_received() const {
  const std::lock_guard lock(mutex_);
  return received_before_ + link_.report.totals.bytes_received;
}

void LiveStatus::at_least(std::int64_t bytes_sent, std::int64_t bytes_received) {
  const std::lock_guard lock(mutex_);
  sent_before_ = std::max(sent_before_, bytes_sent);
  received_before_ = std::max(received_before_, bytes_received);
}

std::string LiveStatus::line() const {
  const std::lock_guard lock(mutex_);
  std::string text = loop_.phase + ", round " + std::to_string(loop_.round) + ", step " +
                     std::to_string(loop_.step) + ", " + std::to_string(capture_.frames_in_store) +
                     " frames, " + std::to_string(link_.pending_regions) + " regions to send, " +
                     std::to_string(loop_.labels) + " labels, link " + state_name(link_.report.state);
  for (const auto* message : {&loop_.message, &link_.report.problem})
    if (!message->empty()) text += "; " + *message;
  return text;
}

std::string LiveStatus::json_text(Ending ending) const {
  const std::lock_guard lock(mutex_);
  const nlohmann::json j = {{"pid", ::getpid()},
                            {"running", ending == Ending::running},
                            {"phase", loop_.phase},
                            {"message", loop_.message},
                            {"round", loop_.round},
                            {"step", loop_.step},
                            {"device", loop_.device},
                            {"frames_in_store", capture_.frames_in_store},
                            {"pending_regions", link_.pending_regions},
                            {"labels", loop_.labels},
                            {"bytes_sent", sent_before_ + link_.report.totals.bytes_sent},
                            {"bytes_received", received_before_ + link_.report.totals.bytes_received},
                            {"camera", camera_json(capture_)},
                            {"link", link_json(link_)},
                            {"last_verdict", loop_.last_verdict},
                            {"live_score", loop_.live_score},
                            {"candidate_score", loop_.candidate_score}};
  // A message may quote a file name in any encoding.
  return j.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
}

void LiveStatus::write(std::chrono::steady_clock::time_point now, Ending ending) {
  {
    const std::lock_guard lock(mutex_);
    if (ending == Ending::running && (!changed_ || now - written_ < std::chrono::seconds(1))) return;
    changed_ = false;
    written_ = now;
  }
  write_now(ending);
}

void LiveStatus::write_now(Ending ending) {
  const std::lock_guard lock(writing_);
  try {
    config::write_durably(file_, json_text(ending));
  } catch (const Error& error) {
    // A full disk must not end the daemon because of its own status page.
    spdlog::debug("status not written: {}", error.what());
  }
}

}  // namespace driftloop::daemon
