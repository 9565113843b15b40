#include "uplink/durable_database.h"

#include <sqlite3.h>

#include <fstream>

#include "config/check.h"
#include "config/durable_file.h"

namespace driftloop::uplink {
namespace fs = std::filesystem;
namespace {

constexpr int kBusyTimeoutMs = 5000;
// Beyond this many rows in a row that cannot be read, the rest of a damaged table is taken for lost when its
// highest id is not known either.
constexpr std::int64_t kBlindRows = 100'000;

bool is_damage(const SQLite::Exception& error) {
  return error.getErrorCode() == SQLITE_CORRUPT || error.getErrorCode() == SQLITE_NOTADB;
}

void move_if_there(const fs::path& from, const fs::path& to) {
  if (fs::exists(from)) fs::rename(from, to);
}

std::int64_t highest_id(SQLite::Database& from, const std::string& table) {
  for (const std::string& query :
       {"SELECT MAX(id) FROM " + table, "SELECT seq FROM sqlite_sequence WHERE name='" + table + "'"}) {
    try {
      return from.execAndGet(query).getInt64();
    } catch (const SQLite::Exception&) {
      continue;  // this page is one of the damaged ones
    }
  }
  return kBlindRows;
}

/// Row by row, so that a damaged page costs its own rows only.
void copy_rows(SQLite::Database& from, SQLite::Database& to, const std::string& table) {
  SQLite::Statement columns(to, "SELECT * FROM " + table + " LIMIT 0");
  const int width = columns.getColumnCount();
  std::string marks = "?";
  for (int i = 1; i < width; ++i) marks += ",?";
  SQLite::Statement insert(to, "INSERT OR IGNORE INTO " + table + " VALUES(" + marks + ")");
  const std::int64_t highest = highest_id(from, table);
  for (std::int64_t id = 1; id <= highest; ++id) {
    try {
      SQLite::Statement row(from, "SELECT * FROM " + table + " WHERE id=?");
      row.bind(1, id);
      if (!row.executeStep() || row.getColumnCount() != width) continue;
      insert.reset();
      for (int i = 0; i < width; ++i) {
        const SQLite::Column value = row.getColumn(i);
        if (value.isInteger()) insert.bind(i + 1, value.getInt64());
        if (value.isFloat()) insert.bind(i + 1, value.getDouble());
        if (value.isText()) insert.bind(i + 1, value.getString());
        if (value.isBlob()) insert.bind(i + 1, value.getBlob(), value.getBytes());
        if (value.isNull()) insert.bind(i + 1);
      }
    } catch (const SQLite::Exception&) {
      continue;
    }
    insert.exec();
  }
}

}  // namespace

DurableDatabase::DurableDatabase(const fs::path& file, const Layout& layout, Access access)
    : file_(file), layout_(layout) {
  if (access == Access::look) {
    try {
      database_.emplace(file_.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_NOMUTEX, kBusyTimeoutMs);
      database_->exec("PRAGMA query_only=ON");
      return;
    } catch (const SQLite::Exception& error) {
      throw Error("cannot open the " + std::string(layout_.what) + ' ' + file_.string() + ": " +
                  error.what());
    }
  }
  if (file.has_parent_path()) config::make_folder(file.parent_path());
  try {
    bool damaged = fs::exists(damage_mark());
    try {
      if (!damaged) {
        open();
        damaged = !is_consistent();
      }
    } catch (const SQLite::Exception& error) {
      if (!is_damage(error)) throw;
      damaged = true;
    }
    if (damaged) salvage();
  } catch (const SQLite::Exception& error) {
    const std::string where = std::string(layout_.what) + ' ' + file_.string();
    if (is_disk_full(error)) throw Error("cannot open the " + where + ": the disk is full (free some space)");
    throw Error("cannot open the " + where + ": " + error.what());
  }
}

void DurableDatabase::open() {
  database_.emplace(file_.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE | SQLite::OPEN_NOMUTEX,
                    kBusyTimeoutMs);
  check_identity();
  database_->exec("PRAGMA journal_mode=WAL");
  database_->exec("PRAGMA synchronous=FULL");
  database_->exec("PRAGMA cell_size_check=ON");
  // A short log: what it holds takes its space a second time, and on a full disk only the log's own room is
  // left.
  database_->exec("PRAGMA wal_autocheckpoint=128");
  database_->exec(layout_.schema);
}

void DurableDatabase::check_identity() {
  const int id = database_->execAndGet("PRAGMA application_id").getInt();
  const int version = database_->execAndGet("PRAGMA user_version").getInt();
  if (id == 0 && version == 0) {
    if (database_->execAndGet("SELECT COUNT(*) FROM sqlite_master").getInt() != 0)
      throw Error(file_.string() + " is some other program's database, not a driftloop " + layout_.what);
    database_->exec("PRAGMA application_id=" + std::to_string(layout_.application_id));
    database_->exec("PRAGMA user_version=" + std::to_string(layout_.version));
    return;
  }
  if (id != layout_.application_id)
    throw Error(file_.string() + " is another kind of database, not a driftloop " + layout_.what);
  if (version > layout_.version)
    throw Error("the " + std::string(layout_.what) + ' ' + file_.string() +
                " was written by a newer driftloop (version " + std::to_string(version) +
                ", this one reads up to " + std::to_string(layout_.version) + ")");
}

bool DurableDatabase::is_consistent() {
  for (const char* table : layout_.checked_tables) {
    SQLite::Statement check(*database_, "PRAGMA integrity_check(" + std::string(table) + ")");
    if (!check.executeStep() || check.getColumn(0).getString() != "ok") return false;
  }
  return true;
}

void DurableDatabase::salvage() {
  database_.reset();
  for (int n = 1;; ++n) {
    damaged_copy_ = file_.string() + ".damaged-" + std::to_string(n);
    if (!fs::exists(damaged_copy_)) break;
  }
  move_if_there(file_.string() + "-wal", damaged_copy_.string() + "-wal");
  move_if_there(file_.string() + "-shm", damaged_copy_.string() + "-shm");
  move_if_there(file_, damaged_copy_);
  open();
  try {
    SQLite::Database from(damaged_copy_.string(), SQLite::OPEN_READWRITE, kBusyTimeoutMs);
    SQLite::Transaction transaction(*database_);
    for (const char* table : layout_.tables) copy_rows(from, *database_, table);
    transaction.commit();
  } catch (const SQLite::Exception& error) {
    if (!is_damage(error)) throw;  // nothing of it can be read: the copy stays for a person
  }
  std::error_code ignored;
  fs::remove(damage_mark(), ignored);
}

fs::path DurableDatabase::damage_mark() const {
  return file_.string() + ".is-damaged";
}

void DurableDatabase::mark_damage(const SQLite::Exception& error) noexcept {
  if (is_damage(error)) std::ofstream(damage_mark()) << error.what() << '\n';
}

DurableDatabase::Transaction::~Transaction() {
  if (is_committed_) return;
  try {
    database_.exec("ROLLBACK");
  } catch (const SQLite::Exception&) {
    // SQLite has rolled back by itself, as it does on a full disk
  }
}

bool DurableDatabase::is_disk_full(const SQLite::Exception& error) {
  // Growing the -shm file on a full disk surfaces as an I/O error of its own kind.
  return error.getErrorCode() == SQLITE_FULL || error.getExtendedErrorCode() == SQLITE_IOERR_SHMSIZE;
}

bool DurableDatabase::shorten_log() noexcept {
  try {
    database_->exec("PRAGMA wal_checkpoint(TRUNCATE)");
    return true;
  } catch (const SQLite::Exception&) {
    return false;
  }
}

void DurableDatabase::fail(const char* doing, const std::string& cause) {
  failure_ =
      std::string("the ") + layout_.what + ' ' + file_.string() + " failed while " + doing + ": " + cause;
  throw_failure();
}

void DurableDatabase::throw_failure() const {
  throw Error(failure_);
}

std::int64_t row_by_digest(SQLite::Database& db, const std::string& table, const std::string& digest) {
  for (const char* column : {"digest", "+digest"}) {  // "+" keeps SQLite from using the index
    SQLite::Statement row(db, "SELECT id FROM " + table + " WHERE " + column + "=?");
    row.bind(1, digest);
    if (!row.executeStep()) continue;
    const std::int64_t id = row.getColumn(0).getInt64();
    row.reset();
    if (column[0] == '+') db.exec("REINDEX " + table);
    return id;
  }
  return 0;
}

}  // namespace driftloop::uplink
