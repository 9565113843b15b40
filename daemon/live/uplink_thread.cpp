#include "daemon/live/uplink_thread.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>

#include "config/check.h"

namespace driftloop::daemon {
namespace {
using State = uplink::LinkReport::State;

constexpr auto kStep = std::chrono::milliseconds(200);  // how soon a stop and a new region are seen
constexpr auto kStatusPeriod = std::chrono::seconds(1);
constexpr std::chrono::seconds kFirstWait{2},
    kLongestWait{60};  // before a link that could not be opened is tried again

void log_change(const uplink::LinkReport& before, const uplink::LinkReport& now) {
  if (now.state != before.state && now.state == State::up) spdlog::info("connected to the station");
  if (before.state == State::up && now.state != State::up)
    spdlog::warn("the connection to the station is lost");
  if (now.problem != before.problem && !now.problem.empty()) spdlog::warn("link: {}", now.problem);
}

/// Opens the link; while that cannot be (a missing or unreadable key, a bad endpoint) says why and tries
/// again. Null at a stop.
std::unique_ptr<uplink::VehicleLink> open_link(const UplinkParts& parts, const std::stop_token& stop) {
  auto wait = kFirstWait;
  std::string said;
  while (!stop.stop_requested()) {
    try {
      if (parts.link.secret_key_file.empty())
        throw Error(
            "this vehicle has no secret key: set link.secret_key_file (make one with: driftloop keygen)");
      auto link = std::make_unique<uplink::VehicleLink>(parts.link, parts.outbox);
      parts.health.recovered(Owner::uplink);
      return link;
    } catch (const Error& error) {
      LinkStatus status;
      status.report.problem = error.what();
      status.pending_regions = parts.outbox.pending();
      parts.status.link(status);
      parts.health.degraded(Owner::uplink, error.what());
      if (said != error.what()) spdlog::error("nothing is sent: {}", error.what());
      said = error.what();
    }
    News nothing;
    const auto until = std::chrono::steady_clock::now() + wait;
    while (!stop.stop_requested() && std::chrono::steady_clock::now() < until) {
      nothing.wait(stop, kStep);
      parts.health.progress(Owner::uplink);
    }
    wait = std::min(2 * wait, kLongestWait);
  }
  return nullptr;
}

}  // namespace

void run_uplink(const UplinkParts& parts, std::stop_token stop) {
  const auto opened = open_link(parts, stop);
  if (!opened) return;
  uplink::VehicleLink& link = *opened;
  parts.health.ready(Owner::uplink);
  LinkStatus status;
  status.public_key = link.public_key();
  std::uint64_t counted_at = ~std::uint64_t{0};  // the outbox's revision
  auto counted = std::chrono::steady_clock::time_point{};
  while (!stop.stop_requested()) {
    const uplink::LinkReport report = link.step(kStep);
    parts.health.progress(Owner::uplink);
    log_change(status.report, report);
    const auto& before = status.report.totals;
    const bool news = report.totals.labels_stored != before.labels_stored ||
                      report.totals.regions_refused != before.regions_refused;
    const auto now = std::chrono::steady_clock::now();
    if (parts.outbox.revision() != counted_at && now - counted >= kStatusPeriod) {
      counted = now;
      counted_at = parts.outbox.revision();
      status.pending_regions = parts.outbox.pending();
    }
    status.report = report;
    parts.status.link(status);
    if (news) parts.news.tell();
  }
}

}  // namespace driftloop::daemon
