#include "station/ledger.h"

#include <map>
#include <mutex>

#include "config/check.h"
#include "uplink/digest.h"
#include "uplink/durable_database.h"

namespace driftloop::station {
namespace {

using uplink::StoreOutcome;

constexpr const char* kSchema = R"sql(
CREATE TABLE IF NOT EXISTS regions(
  id INTEGER PRIMARY KEY AUTOINCREMENT, digest TEXT NOT NULL UNIQUE, vehicle TEXT NOT NULL, state INTEGER NOT NULL,
  row_check INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS regions_by_state ON regions(state, id);
CREATE TABLE IF NOT EXISTS payloads(id INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS labels(
  id INTEGER PRIMARY KEY AUTOINCREMENT, request_digest TEXT NOT NULL UNIQUE, vehicle TEXT NOT NULL,
  state INTEGER NOT NULL, digest TEXT NOT NULL, bytes BLOB NOT NULL, labelled INTEGER NOT NULL, reason TEXT);
CREATE INDEX IF NOT EXISTS labels_by_vehicle ON labels(vehicle, state, id);
)sql";

const uplink::DurableDatabase::Layout kLayout{
    "ledger", 0x44724c67 /* "DrLg" */, 1, kSchema, {"regions", "payloads", "labels"}, {"regions", "labels"}};

// No single bit flip turns one into another; a flipped state of a region is taken for waiting, of a label for
// unacknowledged: doing it again is harmless at both ends.
enum State : int { kWaiting = 0x11, kAnswered = 0x2d, kDamaged = 0x77 };
enum LabelState : int { kUnderWay = 0x12, kAcknowledged = 0x2e, kOrphaned = 0x4b, kLabelDamaged = 0x78 };

std::int64_t row_check(const std::string& digest, const std::string& vehicle) {
  return uplink::crc32_of(digest + '|' + vehicle);
}

void set_region_state(SQLite::Database& db, const std::string& digest, State state) {
  SQLite::Statement update(db, "UPDATE regions SET state=? WHERE id=?");
  update.bind(1, static_cast<int>(state));
  update.bind(2, uplink::row_by_digest(db, "regions", digest));
  update.exec();
}

void insert_answer(SQLite::Database& db, const Answer& answer) {
  const std::string bytes = uplink::encode(answer.reply);
  SQLite::Statement insert(
      db,
      "INSERT OR IGNORE INTO labels(request_digest,vehicle,state,digest,bytes,labelled,reason) "
      "VALUES(?,?,?,?,?,?,?)");
  insert.bind(1, answer.reply.request_digest);
  insert.bind(2, answer.vehicle_id);
  insert.bind(3, static_cast<int>(kUnderWay));
  insert.bind(4, uplink::digest_of(bytes));
  insert.bind(5, bytes.data(), static_cast<int>(bytes.size()));
  insert.bind(6, answer.reply.outcome == uplink::LabelReply::Outcome::labelled ? 1 : 0);
  insert.bind(7, answer.reply.reason);
  insert.exec();
  set_region_state(db, answer.reply.request_digest, kAnswered);
}

Answer damaged_answer(const std::string& vehicle, const std::string& digest) {
  Answer answer;
  answer.vehicle_id = vehicle;
  answer.reply.request_digest = digest;
  answer.reply.labeller = "station";
  answer.reply.reason = "the station's copy of this region was damaged on its disk";
  return answer;
}

}  // namespace

struct Ledger::Impl {
  using Access = uplink::DurableDatabase::Access;
  Impl(const std::filesystem::path& file, Access access) : database(file, kLayout, access) {
    if (access == Access::look) return;
    const auto outcome = database.write("looking through the ledger", [](SQLite::Database& db) {
      db.exec("UPDATE regions SET state=17 WHERE state NOT IN (17,45,119)");
      db.exec("UPDATE labels SET state=18 WHERE state NOT IN (18,46,75,120)");
    });
    (void)outcome;  // on a full disk the strays wait for the next start
  }
  struct Candidate {
    std::string digest, vehicle, bytes;
    std::int64_t row_id = 0;
    bool whole = false;
  };
  std::vector<Candidate> waiting(std::size_t count);
  void set_aside(const std::vector<Candidate>& damaged);

  uplink::DurableDatabase database;
  std::mutex leases_mutex;
  std::map<std::string, std::string> leases;  // region digest -> holder
};

static_assert(kWaiting == 17 && kAnswered == 45 && kDamaged == 119);
static_assert(kUnderWay == 18 && kAcknowledged == 46 && kOrphaned == 75 && kLabelDamaged == 120);

Ledger::Ledger(const std::filesystem::path& file) : impl_(std::make_unique<Impl>(file, Impl::Access::own)) {}
Ledger::Ledger(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Ledger Ledger::look_at(const std::filesystem::path& file) {
  return Ledger(std::make_unique<Impl>(file, Impl::Access::look));
}
Ledger::~Ledger() = default;
Ledger::Ledger(Ledger&&) noexcept = default;
Ledger& Ledger::operator=(Ledger&&) noexcept = default;

std::vector<bool> Ledger::known(std::span<const std::string> digests) {
  return impl_->database.read("looking up regions", [&](SQLite::Database& db) {
    SQLite::Statement row(db, "SELECT 1 FROM regions WHERE digest=?");
    std::vector<bool> found;
    for (const auto& digest : digests) {
      row.reset();
      row.bind(1, digest);
      found.push_back(row.executeStep());
    }
    return found;
  });
}

StoreOutcome Ledger::add(std::span<const uplink::ArrivedRegion> regions) {
  return impl_->database.write("storing regions", [&](SQLite::Database& db) {
    SQLite::Statement insert(db,
                             "INSERT OR IGNORE INTO regions(digest,vehicle,state,row_check) VALUES(?,?,?,?)");
    SQLite::Statement payload(db, "INSERT OR REPLACE INTO payloads(id,bytes) VALUES(?,?)");
    for (const auto& region : regions) {
      insert.reset();
      insert.bind(1, region.digest);
      insert.bind(2, region.vehicle_id);
      insert.bind(3, static_cast<int>(kWaiting));
      insert.bind(4, row_check(region.digest, region.vehicle_id));
      if (insert.exec() == 0) continue;
      payload.reset();
      payload.bind(1, db.getLastInsertRowid());
      payload.bindNoCopy(2, region.payload.data(), static_cast<int>(region.payload.size()));
      payload.exec();
    }
  });
}

std::vector<Ledger::Impl::Candidate> Ledger::Impl::waiting(std::size_t count) {
  return database.read("choosing regions to label", [&](SQLite::Database& db) {
    SQLite::Statement rows(db,
                           "SELECT r.id, r.digest, r.vehicle, r.row_check, p.bytes FROM regions r "
                           "LEFT JOIN payloads p ON p.id=r.id WHERE r.state=? ORDER BY r.id");
    rows.bind(1, static_cast<int>(kWaiting));
    std::vector<Candidate> found;
    while (found.size() < count && rows.executeStep()) {
      Candidate c;
      c.row_id = rows.getColumn(0).getInt64();
      c.digest = rows.getColumn(1).getString();
      if (leases.count(c.digest)) continue;
      c.vehicle = rows.getColumn(2).getString();
      c.bytes = rows.getColumn(4).getString();
      c.whole = rows.getColumn(3).getInt64() == row_check(c.digest, c.vehicle) &&
                uplink::digest_of(c.bytes) == c.digest;
      found.push_back(std::move(c));
    }
    return found;
  });
}

void Ledger::Impl::set_aside(const std::vector<Candidate>& damaged) {
  if (damaged.empty()) return;
  const auto outcome = database.write("setting damaged regions aside", [&](SQLite::Database& db) {
    for (const auto& c : damaged) {
      if (c.digest.size() == 2 * uplink::kDigestBytes &&
          c.digest.find_first_not_of("0123456789abcdef") == std::string::npos)
        insert_answer(db, damaged_answer(c.vehicle, c.digest));
      SQLite::Statement update(db, "UPDATE regions SET state=? WHERE id=?");
      update.bind(1, static_cast<int>(kDamaged));
      update.bind(2, c.row_id);
      update.exec();
    }
  });
  (void)outcome;  // on a full disk they are found again
}

std::vector<Request> Ledger::lease(const std::string& holder, std::size_t count) {
  const std::lock_guard lock(impl_->leases_mutex);
  std::vector<Request> requests;
  std::vector<Impl::Candidate> damaged;
  for (auto& candidate : impl_->waiting(count)) {
    auto decoded =
        candidate.whole ? uplink::decode_region(candidate.bytes) : uplink::Decoded<uplink::RegionRequest>{};
    if (!decoded) {
      damaged.push_back(std::move(candidate));
      continue;
    }
    impl_->leases[candidate.digest] = holder;
    requests.push_back({candidate.digest, std::move(*decoded.value)});
  }
  impl_->set_aside(damaged);
  return requests;
}

void Ledger::release(const std::string& holder) {
  const std::lock_guard lock(impl_->leases_mutex);
  std::erase_if(impl_->leases, [&](const auto& lease) { return lease.second == holder; });
}

StoreOutcome Ledger::answer(std::span<const Answer> answers) {
  const auto outcome = impl_->database.write("storing answers", [&](SQLite::Database& db) {
    for (const auto& answer : answers) insert_answer(db, answer);
  });
  if (outcome != StoreOutcome::done) return outcome;
  const std::lock_guard lock(impl_->leases_mutex);
  for (const auto& answer : answers) impl_->leases.erase(answer.reply.request_digest);
  return outcome;
}

std::vector<uplink::OutgoingLabel> Ledger::labels_after(const std::string& vehicle_id, std::int64_t row_id,
                                                        std::size_t count) {
  std::vector<std::int64_t> damaged;
  auto labels = impl_->database.read("choosing answers to send", [&](SQLite::Database& db) {
    SQLite::Statement rows(
        db,
        "SELECT id, request_digest, digest, bytes FROM labels WHERE vehicle=? AND state=? AND id>? "
        "ORDER BY id LIMIT ?");
    rows.bind(1, vehicle_id);
    rows.bind(2, static_cast<int>(kUnderWay));
    rows.bind(3, row_id);
    rows.bind(4, static_cast<std::int64_t>(count));
    std::vector<uplink::OutgoingLabel> found;
    while (rows.executeStep()) {
      std::string bytes = rows.getColumn(3).getString();
      const std::string request = rows.getColumn(1).getString();
      const auto decoded = uplink::decode_label(bytes);
      if (uplink::digest_of(bytes) == rows.getColumn(2).getString() && decoded &&
          decoded.value->request_digest == request)
        found.push_back({rows.getColumn(0).getInt64(), request, std::move(bytes)});
      else
        damaged.push_back(rows.getColumn(0).getInt64());
    }
    return found;
  });
  if (damaged.empty()) return labels;
  // A damaged answer is taken back and its region waits for a label again.
  const auto outcome = impl_->database.write("taking damaged answers back", [&](SQLite::Database& db) {
    for (const std::int64_t id : damaged) {
      SQLite::Statement again(
          db, "UPDATE regions SET state=? WHERE digest=(SELECT request_digest FROM labels WHERE id=?)");
      again.bind(1, static_cast<int>(kWaiting));
      again.bind(2, id);
      again.exec();
      SQLite::Statement drop(db, "DELETE FROM labels WHERE id=?");
      drop.bind(1, id);
      drop.exec();
    }
  });
  return outcome == StoreOutcome::done ? labels_after(vehicle_id, row_id, count) : labels;
}

StoreOutcome Ledger::acknowledge(const std::string& vehicle_id, std::span<const uplink::LabelAck> acks) {
  return impl_->database.write("storing acknowledgements", [&](SQLite::Database& db) {
    SQLite::Statement update(db, "UPDATE labels SET state=? WHERE request_digest=? AND vehicle=?");
    for (const auto& ack : acks) {
      update.reset();
      update.bind(
          1, static_cast<int>(ack.status == uplink::LabelAck::Status::stored ? kAcknowledged : kOrphaned));
      update.bind(2, ack.request_digest);
      update.bind(3, vehicle_id);
      update.exec();
    }
  });
}

LedgerStats Ledger::stats() {
  return impl_->database.read("counting", [](SQLite::Database& db) {
    std::map<std::string, VehicleStats> vehicles;
    SQLite::Statement regions(
        db, "SELECT vehicle, COUNT(*), TOTAL(state=?), TOTAL(state=?) FROM regions GROUP BY vehicle");
    regions.bind(1, static_cast<int>(kWaiting));
    regions.bind(2, static_cast<int>(kDamaged));
    const auto number = [](SQLite::Statement& row, int column) {
      return static_cast<std::int64_t>(row.getColumn(column).getDouble());
    };
    while (regions.executeStep()) {
      VehicleStats& v = vehicles[regions.getColumn(0).getString()];
      v.regions = number(regions, 1);
      v.waiting = number(regions, 2);
      v.damaged = number(regions, 3);
    }
    SQLite::Statement labels(
        db,
        "SELECT vehicle, TOTAL(labelled), COUNT(*), TOTAL(state=?), TOTAL(state=?) FROM labels "
        "GROUP BY vehicle");
    labels.bind(1, static_cast<int>(kUnderWay));
    labels.bind(2, static_cast<int>(kOrphaned));
    while (labels.executeStep()) {
      VehicleStats& v = vehicles[labels.getColumn(0).getString()];
      v.labelled = number(labels, 1);
      v.refused = number(labels, 2) - v.labelled;
      v.unacknowledged = number(labels, 3);
      v.orphaned = number(labels, 4);
    }
    LedgerStats stats;
    for (auto& [vehicle_id, v] : vehicles) {
      v.vehicle_id = vehicle_id;
      stats.vehicles.push_back(v);
    }
    SQLite::Statement refusals(
        db,
        "SELECT reason, COUNT(*) AS n FROM labels WHERE labelled=0 GROUP BY reason ORDER BY n DESC LIMIT 20");
    while (refusals.executeStep())
      stats.refusals.push_back({refusals.getColumn(0).getString(), refusals.getColumn(1).getInt64()});
    return stats;
  });
}

std::filesystem::path Ledger::damaged_copy() const {
  return impl_->database.damaged_copy();
}

}  // namespace driftloop::station
