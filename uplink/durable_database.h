// The one way driftloop keeps regions and labels: SQLite, WAL, synchronous=FULL (an acknowledged row survives
// a power cut; NORMAL loses all of them in a fresh file), one mutex, sticky failure. Shared by the vehicle's
// outbox and the station's ledger; included by their sources only.
#pragma once
#include <SQLiteCpp/SQLiteCpp.h>

#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "uplink/store_outcome.h"

namespace driftloop::uplink {

class DurableDatabase {
 public:
  struct Layout {
    const char* what;    // "outbox", "ledger": for messages
    int application_id;  // SQLite's own mark in the file header: one program does not open another's file
    int version;         // of the schema; a newer file is refused
    const char* schema;  // CREATE ... IF NOT EXISTS
    // Each with an INTEGER PRIMARY KEY `id`. What is saved from a damaged file.
    std::vector<const char*> tables;
    // Those of small rows: compared with their indexes at each opening (100 k rows take a fraction of a
    // second), since a row that an index has lost is never found again, without any error.
    std::vector<const char*> checked_tables;
  };

  enum class Access {
    own,  // this process writes here, alone
    look  // another process may: nothing is created, changed or repaired
  };

  /// Opens or creates the file. A file that SQLite called damaged, now or when it was last in use, is moved
  /// aside (never deleted) and every row that can still be read goes into a fresh one: then damaged_copy()
  /// names the old file. What the rows say is for the caller to check. Throws Error.
  DurableDatabase(const std::filesystem::path& file, const Layout& layout, Access access = Access::own);

  /// Runs `body(SQLite::Database&)` in one transaction that is on disk when this returns `done`.
  /// `body` may run twice (after a rollback) and must then do the same.
  template <class Body>
  [[nodiscard]] StoreOutcome write(const char* doing, Body&& body) {
    const std::lock_guard lock(mutex_);
    const auto attempt = [&] {
      Transaction transaction(*database_);
      body(*database_);
      transaction.commit();
    };
    const StoreOutcome outcome = guarded(doing, attempt);
    // The log may be what fills the disk: emptied into the database, its room is free again.
    return outcome == StoreOutcome::disk_full && shorten_log() ? guarded(doing, attempt) : outcome;
  }

  /// Runs a read. Throws Error on any failure.
  template <class Body>
  auto read(const char* doing, Body&& body) {
    const std::lock_guard lock(mutex_);
    std::optional<decltype(body(*database_))> result;
    const auto outcome = guarded(doing, [&] { result.emplace(body(*database_)); });
    if (outcome == StoreOutcome::disk_full) fail(doing, "disk full while reading");
    return std::move(*result);
  }

  /// Where a file that could not be used was put at opening; empty when all was well.
  const std::filesystem::path& damaged_copy() const { return damaged_copy_; }
  const std::filesystem::path& file() const { return file_; }

 private:
  /// BEGIN IMMEDIATE (SQLiteCpp offers it from 3.2 on only, Ubuntu 22.04 has 3.1), rolled back unless
  /// committed.
  class Transaction {
   public:
    explicit Transaction(SQLite::Database& database) : database_(database) {
      database_.exec("BEGIN IMMEDIATE");
    }
    ~Transaction();
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;
    void commit() {
      database_.exec("COMMIT");
      is_committed_ = true;
    }

   private:
    SQLite::Database& database_;
    bool is_committed_ = false;
  };
  template <class Step>
  StoreOutcome guarded(const char* doing, Step&& step) {
    if (!failure_.empty()) throw_failure();
    try {
      step();
      return StoreOutcome::done;
    } catch (const SQLite::Exception& error) {
      if (is_disk_full(error)) return StoreOutcome::disk_full;
      mark_damage(error);
      fail(doing, error.what());
    }
  }
  bool shorten_log() noexcept;
  void mark_damage(const SQLite::Exception& error) noexcept;
  static bool is_disk_full(const SQLite::Exception& error);
  void open();
  void check_identity();
  bool is_consistent();
  void salvage();
  std::filesystem::path damage_mark() const;
  [[noreturn]] void fail(const char* doing, const std::string& cause);
  [[noreturn]] void throw_failure() const;

  std::filesystem::path file_;
  Layout layout_;
  std::mutex mutex_;
  std::optional<SQLite::Database> database_;
  std::string failure_;  // sticky: after one, every call throws it again
  std::filesystem::path damaged_copy_;
};

/// The id of the row of `table` with this digest, 0 when there is none. A row that the table has and its
/// index does not is a sign of a damaged index: that is rebuilt, so that no row can become unreachable.
std::int64_t row_by_digest(SQLite::Database& db, const std::string& table, const std::string& digest);

}  // namespace driftloop::uplink
