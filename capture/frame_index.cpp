#include "capture/frame_index.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "capture/frame_files.h"
#include "config/check.h"

namespace driftloop::capture {
namespace fs = std::filesystem;
namespace {

constexpr int kVersion = 1;
constexpr int kWalPages = 64;  // checkpoint after so many pages: a small log matters more than speed here
constexpr std::int64_t kWalBytes = (kWalPages + 16) * (4096 + 24);

enum class Kind { full, damaged, busy, broken };

Kind kind_of(const SQLite::Exception& e, const fs::path& path) {
  switch (e.getErrorCode() & 0xff) {
    case SQLITE_FULL:
      return Kind::full;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Kind::busy;
    case SQLITE_READONLY:  // a damaged header can ask for a newer writer
      return ::access(path.c_str(), W_OK) == 0 ? Kind::damaged : Kind::broken;
    case SQLITE_IOERR:
      // A file that is shorter than its header says.
      return e.getExtendedErrorCode() == SQLITE_IOERR_SHORT_READ ? Kind::damaged : Kind::broken;
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_NOMEM:
      return Kind::broken;
    default:
      return Kind::damaged;
  }
}

[[noreturn]] void fail(const fs::path& path, const SQLite::Exception& e) {
  throw Error("frame store: the index " + path.string() + " failed: " + e.what() +
              (kind_of(e, path) == Kind::busy ? " (another process has this store open)" : ""));
}

std::uint64_t sum_of(const IndexRow& row) {
  const StoredFrame& f = row.frame;
  std::uint64_t value_bits = 0;
  if (f.value) std::memcpy(&value_bits, &*f.value, sizeof value_bits);
  std::string text;
  for (const std::uint64_t part :
       {f.sequence, static_cast<std::uint64_t>(f.captured_ns), static_cast<std::uint64_t>(row.file_bytes),
        row.digest, static_cast<std::uint64_t>(f.width), static_cast<std::uint64_t>(f.height),
        static_cast<std::uint64_t>(f.value.has_value()), value_bits, static_cast<std::uint64_t>(f.unsent)})
    text += std::to_string(part) + '|';
  text += row.file + '|' + f.name;
  return fnv1a(text.data(), text.size());
}

std::uint64_t sum_of_sequence(std::uint64_t sequence) {
  return fnv1a(&sequence, sizeof sequence);
}

IndexRow row_of(SQLite::Statement& query) {
  IndexRow row;
  StoredFrame& f = row.frame;
  f.sequence = static_cast<std::uint64_t>(query.getColumn(0).getInt64());
  row.file = query.getColumn(1).getString();
  f.name = query.getColumn(2).getString();
  row.file_bytes = query.getColumn(3).getInt64();
  row.digest = static_cast<std::uint64_t>(query.getColumn(4).getInt64());
  f.captured_ns = query.getColumn(5).getInt64();
  f.width = query.getColumn(6).getInt();
  f.height = query.getColumn(7).getInt();
  if (!query.getColumn(8).isNull()) f.value = query.getColumn(8).getDouble();
  f.unsent = query.getColumn(9).getInt();
  f.id = fs::path(row.file).stem().string();
  f.bytes = disk_bytes(row.file_bytes);
  return row;
}

}  // namespace

struct FrameIndex::Impl {
  explicit Impl(const fs::path& path) : db(path.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE) {}
  SQLite::Database db;
  std::unique_ptr<SQLite::Statement> insert, count, remove;
};

FrameIndex::FrameIndex(fs::path path, const std::function<void()>& on_full) : path_(std::move(path)) {
  for (int attempt = 0;; ++attempt) {
    try {
      open();
      return;
    } catch (const SQLite::Exception& e) {
      impl_.reset();
      const Kind kind = kind_of(e, path_);
      if (attempt == 2 || kind == Kind::broken || kind == Kind::busy) fail(path_, e);
      if (kind == Kind::full) {
        on_full();
        continue;
      }
      set_aside_ = "the frame index was damaged (" + std::string(e.what()) + "), set aside as " +
                   path_.string() + ".damaged and made again from the files";
      std::error_code ignored;
      fs::rename(path_, path_.string() + ".damaged", ignored);
      fs::remove(path_.string() + "-wal", ignored);
      fs::remove(path_.string() + "-shm", ignored);
    }
  }
}

FrameIndex::~FrameIndex() = default;

void FrameIndex::open() {
  impl_ = std::make_unique<Impl>(path_);
  SQLite::Database& db = impl_->db;
  // One owner: no shared memory file, whose growth on a full disk could kill the process.
  db.exec("PRAGMA locking_mode=EXCLUSIVE");
  db.exec("PRAGMA journal_mode=WAL");
  db.exec("PRAGMA synchronous=NORMAL");
  db.exec("PRAGMA wal_autocheckpoint=" + std::to_string(kWalPages));
  db.exec("PRAGMA journal_size_limit=" + std::to_string(kWalBytes));
  const std::string check = db.execAndGet("PRAGMA quick_check(1)").getString();
  if (check != "ok") throw SQLite::Exception(check, SQLITE_CORRUPT);
  // A flipped bit in the header can make the database read-only, which only a write would tell, much later.
  if (sqlite3_db_readonly(db.getHandle(), "main") == 1)
    throw SQLite::Exception("its header asks for a newer writer", SQLITE_READONLY);
  const int version = db.execAndGet("PRAGMA user_version").getInt();
  const int tables = db.execAndGet("SELECT count(*) FROM sqlite_master").getInt();
  if (version != kVersion && !(version == 0 && tables == 0))
    throw SQLite::Exception("unknown version " + std::to_string(version), SQLITE_CORRUPT);
  if (tables == 0) {
    SQLite::Transaction transaction(db);
    db.exec(
        "CREATE TABLE frame(sequence INTEGER PRIMARY KEY, file TEXT NOT NULL, name TEXT NOT NULL,"
        " file_bytes INTEGER NOT NULL, digest INTEGER NOT NULL, captured_ns INTEGER NOT NULL,"
        " width INTEGER NOT NULL, height INTEGER NOT NULL, value REAL, unsent INTEGER NOT NULL,"
        " sum INTEGER NOT NULL)");
    db.exec("CREATE TABLE next(one INTEGER PRIMARY KEY, sequence INTEGER NOT NULL, sum INTEGER NOT NULL)");
    db.exec("PRAGMA user_version=" + std::to_string(kVersion));
    transaction.commit();
  }
  impl_->insert = std::make_unique<SQLite::Statement>(
      db,
      "INSERT OR REPLACE INTO frame(sequence, file, name, file_bytes, digest, captured_ns, width, height,"
      " value, unsent, sum) VALUES(?,?,?,?,?,?,?,?,?,?,?)");
  impl_->count = std::make_unique<SQLite::Statement>(
      db, "INSERT OR REPLACE INTO next(one, sequence, sum) VALUES(1,?,?)");
  impl_->remove = std::make_unique<SQLite::Statement>(db, "DELETE FROM frame WHERE sequence=?");
}

std::vector<IndexRow> FrameIndex::load(std::uint64_t& damaged) try {
  std::vector<IndexRow> rows;
  std::vector<std::int64_t> bad;
  SQLite::Statement query(
      impl_->db,
      "SELECT sequence, file, name, file_bytes, digest, captured_ns, width, height, value,"
      " unsent, sum FROM frame ORDER BY sequence");
  while (query.executeStep()) {
    IndexRow row = row_of(query);
    if (static_cast<std::uint64_t>(query.getColumn(10).getInt64()) == sum_of(row))
      rows.push_back(std::move(row));
    else
      bad.push_back(query.getColumn(0).getInt64());
  }
  damaged += bad.size();
  for (const std::int64_t sequence : bad)
    if (erase(static_cast<std::uint64_t>(sequence)) == IndexWrite::full)
      break;  // it will be bad next time too
  return rows;
} catch (const SQLite::Exception& e) {
  fail(path_, e);
}

std::uint64_t FrameIndex::next_sequence() try {
  SQLite::Statement query(impl_->db, "SELECT sequence, sum FROM next WHERE one=1");
  if (!query.executeStep()) return 0;
  const auto sequence = static_cast<std::uint64_t>(query.getColumn(0).getInt64());
  const auto sum = static_cast<std::uint64_t>(query.getColumn(1).getInt64());
  return sum == sum_of_sequence(sequence) ? sequence : 0;
} catch (const SQLite::Exception& e) {
  fail(path_, e);
}

IndexWrite FrameIndex::write(const IndexRow& row, std::uint64_t next_sequence) try {
  const StoredFrame& f = row.frame;
  SQLite::Transaction transaction(impl_->db);
  SQLite::Statement& insert = *impl_->insert;
  insert.reset();
  insert.clearBindings();
  insert.bind(1, static_cast<std::int64_t>(f.sequence));
  insert.bind(2, row.file);
  insert.bind(3, f.name);
  insert.bind(4, row.file_bytes);
  insert.bind(5, static_cast<std::int64_t>(row.digest));
  insert.bind(6, f.captured_ns);
  insert.bind(7, f.width);
  insert.bind(8, f.height);
  if (f.value) insert.bind(9, *f.value);
  insert.bind(10, f.unsent);
  insert.bind(11, static_cast<std::int64_t>(sum_of(row)));
  insert.exec();
  SQLite::Statement& count = *impl_->count;
  count.reset();
  count.bind(1, static_cast<std::int64_t>(next_sequence));
  count.bind(2, static_cast<std::int64_t>(sum_of_sequence(next_sequence)));
  count.exec();
  transaction.commit();
  return IndexWrite::done;
} catch (const SQLite::Exception& e) {
  if (kind_of(e, path_) == Kind::full) return IndexWrite::full;
  fail(path_, e);
}

IndexWrite FrameIndex::erase(std::uint64_t sequence) try {
  SQLite::Statement& remove = *impl_->remove;
  remove.reset();
  remove.bind(1, static_cast<std::int64_t>(sequence));
  remove.exec();
  return IndexWrite::done;
} catch (const SQLite::Exception& e) {
  if (kind_of(e, path_) == Kind::full) return IndexWrite::full;
  fail(path_, e);
}

std::int64_t FrameIndex::bytes() const {
  std::int64_t total = 0;
  std::error_code error;
  for (const char* suffix : {"", ".damaged"}) {
    const auto size = fs::file_size(path_.string() + suffix, error);
    if (!error) total += disk_bytes(static_cast<std::int64_t>(size));
  }
  const auto log = fs::file_size(path_.string() + "-wal", error);
  return total + disk_bytes(error ? kWalBytes : std::max(kWalBytes, static_cast<std::int64_t>(log)));
}

}  // namespace driftloop::capture
