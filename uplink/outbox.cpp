#include "uplink/outbox.h"

#include <cmath>
#include <sstream>

#include "config/check.h"
#include "uplink/digest.h"
#include "uplink/outbox_impl.h"

namespace driftloop::uplink {
namespace {

constexpr const char* kSchema = R"sql(
CREATE TABLE IF NOT EXISTS outbox(
  id INTEGER PRIMARY KEY AUTOINCREMENT, digest TEXT NOT NULL UNIQUE, state INTEGER NOT NULL, value REAL NOT NULL,
  size INTEGER NOT NULL, frame_name TEXT NOT NULL, frame_width INTEGER NOT NULL, frame_height INTEGER NOT NULL,
  x INTEGER NOT NULL, y INTEGER NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL,
  round INTEGER NOT NULL, row_check INTEGER NOT NULL, reason TEXT);
CREATE INDEX IF NOT EXISTS outbox_by_value ON outbox(state, value DESC, id, size);
CREATE TABLE IF NOT EXISTS payloads(id INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS inbox(
  id INTEGER PRIMARY KEY AUTOINCREMENT, request_digest TEXT NOT NULL UNIQUE, state INTEGER NOT NULL,
  digest TEXT NOT NULL, bytes BLOB NOT NULL);
)sql";
// Payloads stand in their own table: the queue's rows stay small, so that choosing and marking touch few
// pages.

const DurableDatabase::Layout kLayout{"outbox", 0x44724f62 /* "DrOb" */,         1,
                                      kSchema,  {"outbox", "payloads", "inbox"}, {"outbox", "inbox"}};

std::int64_t row_check(const QueuedItem& item, const RequestMeta& meta) {
  std::ostringstream text;
  text << item.digest << '|' << std::hexfloat << item.value << '|' << item.size_bytes << '|'
       << meta.frame_name << '|' << meta.frame_width << '|' << meta.frame_height << '|' << meta.box.x << '|'
       << meta.box.y << '|' << meta.box.width << '|' << meta.box.height << '|' << meta.round;
  return crc32_of(text.str());
}

void insert_item(SQLite::Database& db, const OutboundItem& item) {
  SQLite::Statement row(
      db,
      "INSERT OR IGNORE INTO outbox(digest,value,size,frame_name,frame_width,frame_height,x,y,width,"
      "height,round,row_check,state) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)");
  const RequestMeta& m = item.meta;
  int at = 0;
  row.bind(++at, item.digest);
  row.bind(++at, item.value);
  row.bind(++at, static_cast<std::int64_t>(item.payload.size()));
  row.bind(++at, m.frame_name);
  for (const int number :
       {m.frame_width, m.frame_height, m.box.x, m.box.y, m.box.width, m.box.height, m.round})
    row.bind(++at, number);
  row.bind(++at, row_check({item.digest, item.value, item.payload.size()}, m));
  row.bind(++at, static_cast<int>(kQueued));
  if (row.exec() == 0) return;
  SQLite::Statement payload(db, "INSERT OR REPLACE INTO payloads(id,bytes) VALUES(?,?)");
  payload.bind(1, db.getLastInsertRowid());
  payload.bindNoCopy(2, item.payload.data(), static_cast<int>(item.payload.size()));
  payload.exec();
}

void set_state(SQLite::Database& db, const std::string& digest, ItemState state, const std::string& reason) {
  SQLite::Statement update(db, "UPDATE outbox SET state=?, reason=? WHERE id=?");
  update.bind(1, static_cast<int>(state));
  update.bind(2, reason);
  update.bind(3, row_by_digest(db, "outbox", digest));
  update.exec();
}

void forget_old_refusals(SQLite::Database& db) {
  for (const char* forget : {"DELETE FROM payloads WHERE id IN (", "DELETE FROM outbox WHERE id IN ("}) {
    SQLite::Statement old(
        db, std::string(forget) + "SELECT id FROM outbox WHERE state=? ORDER BY id DESC LIMIT -1 OFFSET ?)");
    old.bind(1, static_cast<int>(kRefused));
    old.bind(2, Outbox::kKeptRefused);
    old.exec();
  }
}

}  // namespace

OutboundItem outbound(const RegionRequest& request, double value) {
  OutboundItem item;
  item.payload = encode(request);
  item.digest = digest_of(item.payload);
  item.value = value;
  item.meta = {request.frame_name, request.frame_width, request.frame_height, request.box, request.round};
  return item;
}

Outbox::Impl::Impl(const std::filesystem::path& file) : database(file, kLayout) {
  const auto outcome = database.write("looking through the queue", [](SQLite::Database& db) {
    SQLite::Statement stray(db, "UPDATE outbox SET state=? WHERE state NOT IN (?,?,?,?)");
    int at = 0;
    for (const int state : {kQueued, kQueued, kReceipted, kRefused, kQuarantined}) stray.bind(++at, state);
    stray.exec();
  });
  (void)outcome;  // on a full disk the stray rows wait for the next start
}

std::optional<RequestMeta> Outbox::Impl::meta_of(SQLite::Statement& row, int first) {
  QueuedItem item;
  item.digest = row.getColumn(first).getString();
  item.value = row.getColumn(first + 1).getDouble();
  item.size_bytes = static_cast<std::size_t>(row.getColumn(first + 2).getInt64());
  RequestMeta meta;
  meta.frame_name = row.getColumn(first + 3).getString();
  meta.frame_width = row.getColumn(first + 4).getInt();
  meta.frame_height = row.getColumn(first + 5).getInt();
  meta.box = {row.getColumn(first + 6).getInt(), row.getColumn(first + 7).getInt(),
              row.getColumn(first + 8).getInt(), row.getColumn(first + 9).getInt()};
  meta.round = row.getColumn(first + 10).getInt();
  if (row_check(item, meta) != row.getColumn(first + 11).getInt64()) return std::nullopt;
  return meta;
}

std::optional<RequestMeta> Outbox::Impl::find_request(SQLite::Database& db, const std::string& digest) {
  SQLite::Statement row(db, std::string("SELECT ") + kMetaColumns + " FROM outbox o WHERE o.digest=?");
  row.bind(1, digest);
  if (!row.executeStep()) return std::nullopt;
  return meta_of(row, 0);
}

Outbox::Outbox(const std::filesystem::path& file) : impl_(std::make_unique<Impl>(file)) {}
Outbox::~Outbox() = default;
Outbox::Outbox(Outbox&&) noexcept = default;
Outbox& Outbox::operator=(Outbox&&) noexcept = default;

StoreOutcome Outbox::add(std::span<const OutboundItem> items) {
  for (const auto& item : items) {
    DL_CHECK(std::isfinite(item.value), item.value);
    DL_CHECK(item.payload.size() <= kMaxRegionBytes && !item.payload.empty(), item.payload.size());
  }
  const auto outcome = impl_->database.write("queueing regions", [&](SQLite::Database& db) {
    for (const auto& item : items) insert_item(db, item);
  });
  ++impl_->revision;
  return outcome;
}

std::vector<QueuedItem> Outbox::next_by_value(std::size_t count) {
  std::vector<std::int64_t> damaged;
  auto items = impl_->database.read("choosing what to send", [&](SQLite::Database& db) {
    SQLite::Statement rows(db, std::string("SELECT o.id,") + kMetaColumns +
                                   " FROM outbox o WHERE o.state=? ORDER BY o.value DESC, o.id LIMIT ?");
    rows.bind(1, static_cast<int>(kQueued));
    rows.bind(2, static_cast<std::int64_t>(count));
    std::vector<QueuedItem> found;
    while (rows.executeStep()) {
      if (Impl::meta_of(rows, 1))
        found.push_back({rows.getColumn(1).getString(), rows.getColumn(2).getDouble(),
                         static_cast<std::size_t>(rows.getColumn(3).getInt64())});
      else
        damaged.push_back(rows.getColumn(0).getInt64());
    }
    return found;
  });
  if (damaged.empty()) return items;
  const auto outcome = impl_->database.write("setting damaged rows aside", [&](SQLite::Database& db) {
    for (const std::int64_t id : damaged) {
      SQLite::Statement update(db, "UPDATE outbox SET state=?, reason='damaged row' WHERE id=?");
      update.bind(1, static_cast<int>(kQuarantined));
      update.bind(2, id);
      update.exec();
    }
  });
  // Without the damaged rows there may be more behind them.
  return outcome == StoreOutcome::done ? next_by_value(count) : items;
}

std::optional<std::string> Outbox::payload(const std::string& digest) {
  const auto bytes = impl_->database.read("reading a payload", [&](SQLite::Database& db) {
    SQLite::Statement row(
        db, "SELECT o.state, p.bytes FROM outbox o LEFT JOIN payloads p ON p.id=o.id WHERE o.id=?");
    row.bind(1, row_by_digest(db, "outbox", digest));
    if (!row.executeStep() || row.getColumn(0).getInt() != kQueued) return std::optional<std::string>();
    return std::optional(row.getColumn(1).getString());
  });
  if (!bytes) return std::nullopt;
  if (digest_of(*bytes) == digest) return bytes;
  const auto outcome = impl_->database.write("setting a damaged payload aside", [&](SQLite::Database& db) {
    set_state(db, digest, kQuarantined, "payload does not match its SHA-256");
  });
  if (outcome == StoreOutcome::done) ++impl_->revision;
  return std::nullopt;
}

StoreOutcome Outbox::mark_receipted(std::span<const std::string> digests) {
  const auto outcome = impl_->database.write("marking receipts", [&](SQLite::Database& db) {
    SQLite::Statement update(db, "UPDATE outbox SET state=?, reason=NULL WHERE id=?");
    SQLite::Statement drop(db, "DELETE FROM payloads WHERE id=?");
    for (const auto& digest : digests) {
      const std::int64_t id = row_by_digest(db, "outbox", digest);
      update.reset();
      update.bind(1, static_cast<int>(kReceipted));
      update.bind(2, id);
      update.exec();
      drop.reset();
      drop.bind(1, id);
      drop.exec();
    }
  });
  if (outcome == StoreOutcome::done) ++impl_->revision;
  return outcome;
}

StoreOutcome Outbox::mark_refused(const std::string& digest, const std::string& reason) {
  const auto outcome = impl_->database.write("marking a refusal", [&](SQLite::Database& db) {
    set_state(db, digest, kRefused, reason);
    forget_old_refusals(db);
  });
  if (outcome == StoreOutcome::done) ++impl_->revision;
  return outcome;
}

std::int64_t Outbox::pending() {
  return stats().queued;
}

OutboxStats Outbox::stats() {
  return impl_->database.read("counting", [](SQLite::Database& db) {
    OutboxStats stats;
    SQLite::Statement rows(db, "SELECT state, COUNT(*), SUM(size) FROM outbox GROUP BY state");
    while (rows.executeStep()) {
      const std::int64_t count = rows.getColumn(1).getInt64();
      switch (rows.getColumn(0).getInt()) {
        case kReceipted:
          stats.receipted = count;
          break;
        case kRefused:
          stats.refused = count;
          break;
        case kQuarantined:
          stats.quarantined = count;
          break;
        default:
          stats.queued += count;
          stats.queued_bytes += rows.getColumn(2).getInt64();
      }
    }
    SQLite::Statement labels(db, "SELECT COUNT(*), TOTAL(state=?) FROM inbox");
    labels.bind(1, static_cast<int>(kQuarantined));
    labels.executeStep();
    const auto damaged = static_cast<std::int64_t>(labels.getColumn(1).getDouble());
    stats.labels = labels.getColumn(0).getInt64() - damaged;
    stats.quarantined += damaged;
    return stats;
  });
}

std::uint64_t Outbox::revision() const {
  return impl_->revision.load();
}

std::vector<std::string> Outbox::unanswerable(std::span<const std::string> digests) {
  return impl_->database.read("looking for regions without an answer", [&](SQLite::Database& db) {
    SQLite::Statement row(db,
                          "SELECT 1 FROM outbox o LEFT JOIN inbox i ON i.request_digest=o.digest "
                          "WHERE o.digest=? AND o.state IN (?,?) AND i.state IS NOT ?");
    std::vector<std::string> found;
    for (const auto& digest : digests) {
      row.reset();
      row.bind(1, digest);
      row.bind(2, static_cast<int>(kQueued));
      row.bind(3, static_cast<int>(kReceipted));
      row.bind(4, static_cast<int>(kQuarantined));
      if (!row.executeStep()) found.push_back(digest);
    }
    return found;
  });
}

std::optional<RequestMeta> Outbox::request(const std::string& digest) {
  return impl_->database.read("looking up a request",
                              [&](SQLite::Database& db) { return impl_->find_request(db, digest); });
}

}  // namespace driftloop::uplink
