// The way down: labels that came back, each request's first one once.
#include "config/check.h"
#include "uplink/digest.h"
#include "uplink/outbox.h"
#include "uplink/outbox_impl.h"

namespace driftloop::uplink {
namespace {

bool is_answer_to(const ArrivedLabel& label) {
  const auto decoded = decode_label(label.payload);
  return decoded && decoded.value->request_digest == label.request_digest;
}

bool insert_label(SQLite::Database& db, const ArrivedLabel& label) {
  SQLite::Statement insert(db,
                           "INSERT OR IGNORE INTO inbox(request_digest,state,digest,bytes) VALUES(?,?,?,?)");
  insert.bind(1, label.request_digest);
  insert.bind(2, static_cast<int>(kQueued));
  insert.bind(3, digest_of(label.payload));
  insert.bindNoCopy(4, label.payload.data(), static_cast<int>(label.payload.size()));
  return insert.exec() != 0;
}

}  // namespace

StoreOutcome Outbox::store_labels(std::span<const ArrivedLabel> labels, std::vector<LabelFate>& fates) {
  return impl_->database.write("storing labels", [&](SQLite::Database& db) {
    fates.clear();
    for (const auto& label : labels) {
      LabelFate fate = LabelFate::duplicate;
      if (!is_answer_to(label))
        fate = LabelFate::malformed;
      else if (!impl_->find_request(db, label.request_digest))
        fate = LabelFate::unknown_request;
      else if (insert_label(db, label))
        fate = LabelFate::stored;
      fates.push_back(fate);
    }
  });
}

std::vector<InboxLabel> Outbox::labels_after(std::int64_t row_id, std::size_t count) {
  std::vector<std::int64_t> damaged;
  auto labels = impl_->database.read("reading labels", [&](SQLite::Database& db) {
    SQLite::Statement rows(db, std::string("SELECT i.id, i.request_digest, i.digest, i.bytes,") +
                                   kMetaColumns +
                                   " FROM inbox i LEFT JOIN outbox o ON o.digest=i.request_digest"
                                   " WHERE i.id>? AND i.state<>? ORDER BY i.id LIMIT ?");
    rows.bind(1, row_id);
    rows.bind(2, static_cast<int>(kQuarantined));
    rows.bind(3, static_cast<std::int64_t>(count));
    std::vector<InboxLabel> found;
    while (rows.executeStep()) {
      const std::string bytes = rows.getColumn(3).getString();
      auto decoded = decode_label(bytes);
      const auto meta = Impl::meta_of(rows, 4);
      const bool whole = digest_of(bytes) == rows.getColumn(2).getString() && decoded && meta &&
                         decoded.value->request_digest == rows.getColumn(1).getString();
      if (whole)
        found.push_back({rows.getColumn(0).getInt64(), std::move(*decoded.value), *meta});
      else
        damaged.push_back(rows.getColumn(0).getInt64());
    }
    return found;
  });
  if (damaged.empty()) return labels;
  const auto outcome = impl_->database.write("setting damaged labels aside", [&](SQLite::Database& db) {
    for (const std::int64_t id : damaged) {
      SQLite::Statement update(db, "UPDATE inbox SET state=? WHERE id=?");
      update.bind(1, static_cast<int>(kQuarantined));
      update.bind(2, id);
      update.exec();
    }
  });
  return outcome == StoreOutcome::done ? labels_after(row_id, count) : labels;
}

StoreOutcome Outbox::forget_merged(std::int64_t row_id, std::int64_t keep) {
  return impl_->database.write("forgetting merged labels", [&](SQLite::Database& db) {
    SQLite::Statement newest(db, "SELECT id FROM inbox WHERE id<=? ORDER BY id DESC LIMIT 1 OFFSET ?");
    newest.bind(1, row_id);
    newest.bind(2, keep);
    if (!newest.executeStep()) return;
    const std::int64_t last = newest.getColumn(0).getInt64();
    for (const char* forget :
         {"DELETE FROM payloads WHERE id IN (SELECT o.id FROM inbox i JOIN outbox o ON "
          "o.digest=i.request_digest WHERE i.id<=?)",
          "DELETE FROM outbox WHERE digest IN (SELECT request_digest FROM inbox WHERE id<=?)",
          "DELETE FROM inbox WHERE id<=?"}) {
      SQLite::Statement old(db, forget);
      old.bind(1, last);
      old.exec();
    }
  });
}

}  // namespace driftloop::uplink
