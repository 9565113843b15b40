#include "station/station.h"

#include <algorithm>
#include <deque>
#include <set>

#include "config/check.h"
#include "config/durable_file.h"
#include "config/folder_lock.h"

namespace driftloop::station {
namespace {

using Clock = std::chrono::steady_clock;
using uplink::StoreOutcome;
// Answers between two looks at the link: keeps receipts quick while an oracle works through a long queue.
constexpr std::size_t kAnswersPerStep = 16;
constexpr std::size_t kLeasedAhead = 64;
constexpr auto kPause = std::chrono::seconds(2);  // before trying again what could not be done
constexpr const char* kAutomatic = "automatic";   // the holder of what a label source answers by itself

/// What arrives goes to the ledger; what the ledger has goes out.
class LedgerDesk : public uplink::StationHandler {
 public:
  explicit LedgerDesk(Ledger& ledger) : ledger_(ledger) {}

  std::vector<bool> known(const std::string&, std::span<const std::string> digests) override {
    return ledger_.known(digests);
  }

  std::vector<uplink::RegionVerdict> commit(std::span<const uplink::ArrivedRegion> regions) override {
    using Kind = uplink::RegionVerdict::Kind;
    std::vector<uplink::RegionVerdict> verdicts;
    std::vector<uplink::ArrivedRegion> good;
    for (const auto& region : regions) {
      const std::string problem = problem_of(region);
      verdicts.push_back({problem.empty() ? Kind::stored : Kind::refused, problem});
      if (problem.empty()) good.push_back(region);
    }
    if (good.empty() || ledger_.add(good) == StoreOutcome::done) return verdicts;
    disk_full = true;
    for (auto& verdict : verdicts)
      if (verdict.kind == Kind::stored) verdict.kind = Kind::later;
    return verdicts;
  }

  std::vector<uplink::OutgoingLabel> labels_after(const std::string& vehicle_id, std::int64_t row_id,
                                                  std::size_t count) override {
    return ledger_.labels_after(vehicle_id, row_id, count);
  }

  void acknowledge(const std::string& vehicle_id, std::span<const uplink::LabelAck> acks) override {
    // When this cannot be stored the label is sent once more after a reconnect, and is known there.
    disk_full |= ledger_.acknowledge(vehicle_id, acks) == StoreOutcome::disk_full;
  }

  bool disk_full = false;

 private:
  static std::string problem_of(const uplink::ArrivedRegion& region) {
    const auto decoded = uplink::decode_region(region.payload);
    if (!decoded) return decoded.problem;
    if (decoded.value->vehicle_id != region.vehicle_id)
      return "it is a region of another vehicle: " + decoded.value->vehicle_id;
    return {};
  }
  Ledger& ledger_;
};

}  // namespace

void describe(config::Fields& f, StationOptions& o) {
  f.field("state", o.state, "folder of the ledger, for this station alone");
  f.field("bind", o.link.bind, "where to listen, tcp://address:port; address * = all, port * = any free one");
  f.field("key", o.link.secret_key_file, "file of the station's secret key (.key, mode 0600)");
  f.field("allow", o.link.allow_folder,
          "folder of <vehicle id>.pub: who may connect; read again when it changes");
  f.field("credit_bytes", o.link.credit_bytes, {4096, 64 << 20},
          "bytes that a vehicle may have sent and not confirmed");
  f.field("vehicle_buffer_bytes", o.link.vehicle_buffer_bytes, {4 << 20, 1 << 30},
          "memory for half-received regions of one vehicle, in bytes");
  f.field("total_buffer_bytes", o.link.total_buffer_bytes, {8 << 20, 64LL << 30},
          "memory for half-received regions of all vehicles, in bytes");
  f.field("label_window", o.link.label_window, {1, 256}, "answers under way to one vehicle at a time");
  f.section("labels", o.labels, "who labels the regions");
}

std::filesystem::path ledger_file(const std::filesystem::path& state) {
  return state / "ledger.sqlite";
}

struct Station::Impl {
  explicit Impl(const StationOptions& o)
      : options(o),
        lock(o.state, "driftloop-station", "stop it, or give this one its own --state"),
        source(make_label_source(o.labels)),
        ledger(ledger_file(o.state)),
        desk(ledger),
        link(o.link, desk) {
    config::sweep_leftovers(o.state);
  }

  struct Due {
    Request request;
    Clock::time_point at;
  };
  int answer_due(std::int64_t now_ns);
  void lease_more(Clock::time_point now);

  StationOptions options;
  config::FolderLock lock;
  std::unique_ptr<LabelSource> source;
  Ledger ledger;
  LedgerDesk desk;
  uplink::StationLink link;
  std::deque<Due> due;
  bool more_waiting = true;  // the ledger may hold requests that are not leased yet
  std::int64_t regions_seen = 0;
  Clock::time_point look_again_at{};  // a damaged answer that was taken back waits without an arrival
};

void Station::Impl::lease_more(Clock::time_point now) {
  if (!more_waiting || due.size() >= kLeasedAhead / 2) return;
  auto requests = ledger.lease(kAutomatic, kLeasedAhead - due.size());
  more_waiting = !requests.empty();
  look_again_at = now + kPause;
  const auto delay =
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options.labels.delay_s));
  for (auto& request : requests) due.push_back({std::move(request), now + delay});
}

int Station::Impl::answer_due(std::int64_t now_ns) {
  const auto now = options.link.now();
  lease_more(now);
  std::vector<Answer> answers;
  std::vector<Due> not_yet;
  std::size_t looked_at = 0;
  for (; looked_at < due.size() && looked_at < kAnswersPerStep && due[looked_at].at <= now; ++looked_at) {
    const Request& request = due[looked_at].request;
    if (auto reply = source->answer(request, now_ns))
      answers.push_back({request.region.vehicle_id, std::move(*reply)});
    else
      not_yet.push_back({request, now + kPause});
  }
  if (!answers.empty() && ledger.answer(answers) == StoreOutcome::disk_full) {
    desk.disk_full = true;
    for (auto& one : due) one.at = std::max(one.at, now + kPause);  // all stay due
    return 0;
  }
  due.erase(due.begin(), due.begin() + static_cast<std::ptrdiff_t>(looked_at));
  due.insert(due.end(), not_yet.begin(), not_yet.end());
  std::set<std::string> vehicles;
  for (const auto& answer : answers) vehicles.insert(answer.vehicle_id);
  for (const auto& vehicle_id : vehicles) link.labels_ready(vehicle_id);
  return static_cast<int>(answers.size());
}

Station::Station(const StationOptions& options) : impl_(std::make_unique<Impl>(options)) {}
Station::~Station() = default;

StationStep Station::step(std::chrono::milliseconds max_wait, std::int64_t now_ns) {
  Impl& s = *impl_;
  s.desk.disk_full = false;
  StationStep result;
  const auto now = s.options.link.now();
  if (!s.due.empty()) {
    const auto until_due = std::chrono::ceil<std::chrono::milliseconds>(s.due.front().at - now);
    max_wait = std::clamp(until_due, std::chrono::milliseconds(0), max_wait);
  } else if (s.more_waiting) {
    max_wait = std::chrono::milliseconds(0);
  }
  result.link = s.link.step(max_wait);
  s.more_waiting |= result.link.totals.regions_stored != s.regions_seen || now >= s.look_again_at;
  s.regions_seen = result.link.totals.regions_stored;
  result.answered = s.answer_due(now_ns);
  result.disk_full = s.desk.disk_full;
  return result;
}

const std::string& Station::endpoint() const {
  return impl_->link.endpoint();
}
const std::string& Station::public_key() const {
  return impl_->link.public_key();
}
Ledger& Station::ledger() {
  return impl_->ledger;
}

}  // namespace driftloop::station
