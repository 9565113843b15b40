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

constexpr int kVersion = 2;    // 1: without descriptions, with a value that the daemon set
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

/// What a version 1 row holds beside the rest: kept for its check sum until the row is written again.
struct Legacy {
  std::optional<double> value;
};
constexpr double kLegacyAsked = 1000;

void append(std::string& text, const std::optional<Signature>& signature, const Link& link) {
  if (signature) text.append(reinterpret_cast<const char*>(signature->data()), signature->size());
  text += '|' + std::to_string(link.nearest) + '|' + std::to_string(link.distance);
}

/// For a row without a description the same as in version 1, so that those rows need no rewriting.
std::uint64_t sum_of(const IndexEntry& entry, const Legacy& legacy, bool asked) {
  const IndexRow& row = entry.row;
  const Described& described = entry.described;
  const StoredFrame& f = row.frame;
  std::uint64_t value_bits = 0;
  if (legacy.value) std::memcpy(&value_bits, &*legacy.value, sizeof value_bits);
  std::string text;
  for (const std::uint64_t part :
       {f.sequence, static_cast<std::uint64_t>(f.captured_ns), static_cast<std::uint64_t>(row.file_bytes),
        row.digest, static_cast<std::uint64_t>(f.width), static_cast<std::uint64_t>(f.height),
        static_cast<std::uint64_t>(legacy.value.has_value()), value_bits,
        static_cast<std::uint64_t>(f.unsent)})
    text += std::to_string(part) + '|';
  text += row.file + '|' + f.name;
  if (asked || described.look || described.feature) {
    text += asked ? "|asked|" : "|plain|";
    append(text, described.look, described.look_link);
    append(text, described.feature, described.feature_link);
    text += described.space;
  }
  return fnv1a(text.data(), text.size());
}

std::uint64_t sum_of_sequence(std::uint64_t sequence) {
  return fnv1a(&sequence, sizeof sequence);
}

constexpr const char* kColumns =
    "sequence, file, name, file_bytes, digest, captured_ns, width, height, value, unsent, sum, asked, look,"
    " look_nearest, look_distance, feature, space, feature_nearest, feature_distance";

std::optional<Signature> signature_in(const SQLite::Column& column) {
  if (column.isNull() || column.getBytes() != static_cast<int>(kSignatureBytes)) return std::nullopt;
  Signature signature;
  std::memcpy(signature.data(), column.getBlob(), signature.size());
  return signature;
}

Link link_in(const SQLite::Column& nearest, const SQLite::Column& distance) {
  if (nearest.isNull()) return {};
  return {static_cast<std::uint64_t>(nearest.getInt64()), static_cast<std::uint32_t>(distance.getInt64())};
}

/// Nothing when the check sum does not hold.
std::optional<IndexEntry> entry_of(SQLite::Statement& query) {
  IndexEntry entry;
  IndexRow& row = entry.row;
  StoredFrame& f = row.frame;
  f.sequence = static_cast<std::uint64_t>(query.getColumn(0).getInt64());
  row.file = query.getColumn(1).getString();
  f.name = query.getColumn(2).getString();
  row.file_bytes = query.getColumn(3).getInt64();
  row.digest = static_cast<std::uint64_t>(query.getColumn(4).getInt64());
  f.captured_ns = query.getColumn(5).getInt64();
  f.width = query.getColumn(6).getInt();
  f.height = query.getColumn(7).getInt();
  Legacy legacy;
  if (!query.getColumn(8).isNull()) legacy.value = query.getColumn(8).getDouble();
  f.unsent = query.getColumn(9).getInt();
  const bool asked = query.getColumn(11).getInt() != 0;
  Described& described = entry.described;
  described.look = signature_in(query.getColumn(12));
  described.look_link = link_in(query.getColumn(13), query.getColumn(14));
  described.feature = signature_in(query.getColumn(15));
  described.space = query.getColumn(16).getString();
  described.feature_link = link_in(query.getColumn(17), query.getColumn(18));
  if (static_cast<std::uint64_t>(query.getColumn(10).getInt64()) != sum_of(entry, legacy, asked))
    return std::nullopt;
  f.asked = asked || legacy.value.value_or(0) >= kLegacyAsked;
  f.id = fs::path(row.file).stem().string();
  f.bytes = disk_bytes(row.file_bytes);
  return entry;
}

void bind(SQLite::Statement& insert, int at, const std::optional<Signature>& signature) {
  if (signature) insert.bind(at, signature->data(), static_cast<int>(signature->size()));
}

void bind(SQLite::Statement& insert, int at, const Link& link) {
  insert.bind(at, static_cast<std::int64_t>(link.nearest));
  insert.bind(at + 1, static_cast<std::int64_t>(link.distance));
}

void insert_entry(SQLite::Statement& insert, const IndexEntry& entry) {
  const IndexRow& row = entry.row;
  const StoredFrame& f = row.frame;
  const Described& described = entry.described;
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
  insert.bind(10, f.unsent);
  insert.bind(11, static_cast<std::int64_t>(sum_of(entry, {}, f.asked)));
  insert.bind(12, f.asked ? 1 : 0);
  bind(insert, 13, described.look);
  bind(insert, 14, described.look_link);
  bind(insert, 16, described.feature);
  insert.bind(17, described.space);
  bind(insert, 18, described.feature_link);
  insert.exec();
}

void make_tables(SQLite::Database& db) {
  db.exec(
      "CREATE TABLE frame(sequence INTEGER PRIMARY KEY, file TEXT NOT NULL, name TEXT NOT NULL,"
      " file_bytes INTEGER NOT NULL, digest INTEGER NOT NULL, captured_ns INTEGER NOT NULL,"
      " width INTEGER NOT NULL, height INTEGER NOT NULL, value REAL, unsent INTEGER NOT NULL,"
      " sum INTEGER NOT NULL)");
  db.exec("CREATE TABLE next(one INTEGER PRIMARY KEY, sequence INTEGER NOT NULL, sum INTEGER NOT NULL)");
}

/// From version 1. Changes the schema alone: a store on a full disk can be opened as well.
void add_descriptions(SQLite::Database& db) {
  for (const char* column : {"asked INTEGER NOT NULL DEFAULT 0", "look BLOB", "look_nearest INTEGER",
                             "look_distance INTEGER", "feature BLOB", "space TEXT NOT NULL DEFAULT ''",
                             "feature_nearest INTEGER", "feature_distance INTEGER"})
    db.exec(std::string("ALTER TABLE frame ADD COLUMN ") + column);
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
  if (version != kVersion && version != 1 && !(version == 0 && tables == 0))
    throw SQLite::Exception("unknown version " + std::to_string(version), SQLITE_CORRUPT);
  if (version != kVersion || tables == 0) {
    SQLite::Transaction transaction(db);
    if (tables == 0) make_tables(db);
    add_descriptions(db);
    db.exec("PRAGMA user_version=" + std::to_string(kVersion));
    transaction.commit();
  }
  impl_->insert =
      std::make_unique<SQLite::Statement>(db, std::string("INSERT OR REPLACE INTO frame(") + kColumns +
                                                  ") VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
  impl_->count = std::make_unique<SQLite::Statement>(
      db, "INSERT OR REPLACE INTO next(one, sequence, sum) VALUES(1,?,?)");
  impl_->remove = std::make_unique<SQLite::Statement>(db, "DELETE FROM frame WHERE sequence=?");
}

void FrameIndex::load(const std::function<void(IndexEntry)>& take, std::uint64_t& damaged) try {
  std::vector<std::uint64_t> bad;
  SQLite::Statement query(impl_->db, std::string("SELECT ") + kColumns + " FROM frame ORDER BY sequence");
  while (query.executeStep()) {
    if (auto entry = entry_of(query))
      take(std::move(*entry));
    else
      bad.push_back(static_cast<std::uint64_t>(query.getColumn(0).getInt64()));
  }
  query.reset();
  damaged += bad.size();
  // On a full disk they will be bad next time too.
  if (!bad.empty()) static_cast<void>(apply({}, bad, next_sequence()));
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

IndexWrite FrameIndex::apply(std::span<const IndexEntry> written, std::span<const std::uint64_t> erased,
                             std::uint64_t next_sequence) try {
  SQLite::Transaction transaction(impl_->db);
  for (const IndexEntry& entry : written) insert_entry(*impl_->insert, entry);
  for (const std::uint64_t sequence : erased) {
    SQLite::Statement& remove = *impl_->remove;
    remove.reset();
    remove.bind(1, static_cast<std::int64_t>(sequence));
    remove.exec();
  }
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
