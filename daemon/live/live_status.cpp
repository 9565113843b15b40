#include "daemon/live/live_status.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "config/check.h"
#include "config/durable_file.h"

namespace driftloop::daemon {
namespace {

constexpr unsigned kMode = 0640;  // the service's group may read it
constexpr auto kShortest = std::chrono::seconds(1), kSignOfLife = std::chrono::seconds(10);

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

bool is_up(const LinkStatus& link) {
  return link.report.state == uplink::LinkReport::State::up;
}

nlohmann::json link_json(const LinkStatus& l) {
  const auto& t = l.report.totals;
  return {{"connected", is_up(l)},
          {"state", state_name(l.report.state)},
          {"message", l.report.problem},
          {"public_key", l.public_key},
          {"regions_receipted", t.regions_receipted},
          {"regions_refused", t.regions_refused},
          {"labels_stored", t.labels_stored},
          {"labels_repeated", t.labels_repeated},
          {"connections", t.connections}};
}

std::string trouble_key(Owner owner) {
  return std::string("trouble_") + owner_name(owner);
}

nlohmann::json moment_json(const Moment& then, const Moment& now) {
  return {{"at", wall_text(then.wall_ns)}, {"wall_ns", then.wall_ns}, {"age_s", seconds_between(then, now)}};
}

/// What is worth knowing of earlier runs.
constexpr std::array kOutliveARun{"last_frame", "last_stored_frame", "last_label", "last_verdict"};

/// A moment of an earlier run's file, counted from this boot.
std::optional<Moment> moment_in(const nlohmann::json& old, const char* what) {
  try {
    const auto& written = old.at("written");
    const auto& then = old.at("moments").at(what);
    const Moment now = this_moment();
    // Of an earlier boot only the wall clock can tell.
    const std::int64_t written_boot_ns =
        written.at("boot_id").get<std::string>() == boot_id()
            ? written.at("boot_ns").get<std::int64_t>()
            : now.boot_ns - (now.wall_ns - written.at("wall_ns").get<std::int64_t>());
    return Moment{then.at("wall_ns").get<std::int64_t>(),
                  written_boot_ns - static_cast<std::int64_t>(then.at("age_s").get<double>() * 1e9)};
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;  // of another version
  }
}

nlohmann::json disk_json(const std::filesystem::path& state) {
  std::error_code error;
  const auto space = std::filesystem::space(state, error);
  if (error) return nlohmann::json::object();
  return {{"free_bytes", space.available}, {"total_bytes", space.capacity}};
}

}  // namespace

LiveStatus::LiveStatus(std::filesystem::path file, std::filesystem::path state)
    : file_(std::move(file)), state_(std::move(state)) {
  if (state_.empty()) state_ = file_.parent_path();
  happened("started");
  happened("phase");
  continue_from(state_ / "status.json");
  if (file_ != state_ / "status.json") continue_from(file_);
}

void LiveStatus::continue_from(const std::filesystem::path& file) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(file, error)) return;
  const auto old = nlohmann::json::parse(config::read_file(file), nullptr, /*allow_exceptions=*/false);
  if (!old.is_object()) return;
  const auto number = [&](const char* key) {
    const auto found = old.find(key);
    return found != old.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
  };
  sent_before_ = std::max(sent_before_, number("bytes_sent"));
  received_before_ = std::max(received_before_, number("bytes_received"));
  for (const char* what : kOutliveARun) {
    const auto then = moment_in(old, what);
    if (then && (!moments_.contains(what) || moments_[what].boot_ns < then->boot_ns)) moments_[what] = *then;
  }
}

void LiveStatus::loop(const LoopStatus& status) {
  bool at_once = false;
  {
    const std::lock_guard lock(mutex_);
    at_once = status.phase != loop_.phase || status.message != loop_.message || status.round != loop_.round;
    if (status.phase != loop_.phase) happened("phase");
    if (status.message != loop_.message) happened("message");
    if (loop_.round > 0 && status.round > loop_.round && !status.last_verdict.empty())
      happened("last_verdict");
    loop_ = status;
    changed_ = true;
  }
  if (at_once) write_now(Ending::running);
}

void LiveStatus::loop_phase(const std::string& phase, const std::string& message) {
  LoopStatus status;
  {
    const std::lock_guard lock(mutex_);
    status = loop_;
  }
  status.phase = phase;
  status.message = message;
  loop(status);
}

void LiveStatus::capture(const CaptureStatus& status) {
  const std::lock_guard lock(mutex_);
  if (status.source.frames > capture_.source.frames) happened("last_frame");
  if (status.stored > capture_.stored) happened("last_stored_frame");
  if (status.message != capture_.message) happened("camera_message");
  capture_ = status;
  changed_ = true;
}

void LiveStatus::link(const LinkStatus& status) {
  const std::lock_guard lock(mutex_);
  const bool was_up = is_up(link_), now_up = is_up(status);
  if (now_up && !was_up) happened("connected");
  if (was_up && !now_up) happened("disconnected");
  if (status.report.totals.labels_stored > link_.report.totals.labels_stored) happened("last_label");
  if (status.report.problem != link_.report.problem) happened("link_message");
  link_ = status;
  changed_ = true;
}

void LiveStatus::trouble(Owner owner, const std::string& why) {
  const std::lock_guard lock(mutex_);
  std::string& known = trouble_[static_cast<std::size_t>(owner)];
  if (known == why) return;
  known = why;
  happened(trouble_key(owner));
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
  for (std::size_t owner = 0; owner < kOwners; ++owner)
    if (!trouble_[owner].empty())
      text += std::string("; ") + owner_name(static_cast<Owner>(owner)) + ": " + trouble_[owner];
  return text;
}

std::string LiveStatus::json_text(Ending ending) const {
  const std::lock_guard lock(mutex_);
  const Moment now = this_moment();
  nlohmann::json moments = nlohmann::json::object(), trouble = nlohmann::json::object();
  for (const auto& [what, moment] : moments_) moments[what] = moment_json(moment, now);
  for (std::size_t owner = 0; owner < kOwners; ++owner)
    if (!trouble_[owner].empty()) trouble[owner_name(static_cast<Owner>(owner))] = trouble_[owner];
  const nlohmann::json j = {{"pid", ::getpid()},
                            {"pid_start_ticks", process_start_ticks(::getpid())},
                            {"running", ending == Ending::running},
                            {"written",
                             {{"at", wall_text(now.wall_ns)},
                              {"wall_ns", now.wall_ns},
                              {"boot_ns", now.boot_ns},
                              {"boot_id", boot_id()}}},
                            {"moments", std::move(moments)},
                            {"trouble", std::move(trouble)},
                            {"state", std::filesystem::absolute(state_).string()},
                            {"disk", disk_json(state_)},
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
    if (ending == Ending::running && now - written_ < (changed_ ? kShortest : kSignOfLife)) return;
    changed_ = false;
    written_ = now;
  }
  write_now(ending);
}

void LiveStatus::write_now(Ending ending) {
  const std::lock_guard lock(writing_);
  try {
    const std::string text = json_text(ending);
    config::replace_file(file_, text, kMode);
    const auto kept = state_ / "status.json";
    if (ending == Ending::stopped && kept != file_) config::write_durably(kept, text, kMode);
  } catch (const Error& error) {
    // A full disk must not end the daemon because of its own status page.
    spdlog::debug("status not written: {}", error.what());
  }
}

}  // namespace driftloop::daemon
