#include "uplink/station_sessions.h"

#include "uplink/digest.h"

namespace driftloop::uplink {
namespace {

/// Why this greeting is not accepted; empty when it is.
std::string problem_of(const v1::Hello& hello, const std::string& vehicle_id) {
  if (hello.major() != kProtocolMajor)
    return "the station speaks protocol " + std::to_string(kProtocolMajor) + ", the vehicle " +
           std::to_string(hello.major()) + ": update the older one";
  if (hello.vehicle_id() != vehicle_id)
    return "its key is in the allow-list as '" + vehicle_id + "' (" + vehicle_id +
           ".pub), but it calls itself '" + hello.vehicle_id().substr(0, 64) + "': make the two the same";
  return {};
}

LabelAck::Status status_of(v1::LabelReceipt::Status status) {
  if (status == v1::LabelReceipt::UNKNOWN_REQUEST) return LabelAck::Status::unknown_request;
  if (status == v1::LabelReceipt::MALFORMED) return LabelAck::Status::malformed;
  return LabelAck::Status::stored;
}

}  // namespace

StationSessions::StationSessions(const StationLinkOptions& options, StationHandler& handler, Send send)
    : credit_bytes_(static_cast<std::uint64_t>(options.credit_bytes)),
      label_window_(static_cast<std::size_t>(options.label_window)),
      handler_(handler),
      send_(std::move(send)),
      intake_(options, handler, report_) {}

void StationSessions::take(const Inbound& in) {
  report_.progress = true;
  // Admitted once, taken off the list since: its session has ended, its connection can only be ignored.
  if (in.vehicle_id.empty()) {
    send(in.routing_id, problem_message(v1::Problem::REVOKED, "", "its key is not in the allow-list"));
    return;
  }
  v1::Envelope message;
  if (!unpack(in.bytes, message)) {
    ++report_.totals.malformed;
    send(in.routing_id, problem_message(v1::Problem::MALFORMED, "", "not a driftloop message"));
    return;
  }
  if (message.has_hello()) return on_hello(in, message.hello());
  const auto found = sessions_.find(in.routing_id);
  if (found == sessions_.end()) {
    send(in.routing_id, problem_message(v1::Problem::HELLO_FIRST, "", "say Hello first"));
    return;
  }
  Session& session = found->second;
  if (message.has_offer())
    send_all(in.routing_id, intake_.on_offer(session.vehicle_id, session.offers, message.offer()));
  else if (message.has_chunk())
    send_all(in.routing_id, intake_.on_chunk(session.vehicle_id, session.offers, message.chunk()));
  else if (message.has_label_receipt())
    on_label_receipt(session, message.label_receipt());
  else
    ++report_.totals.malformed;
}

void StationSessions::on_hello(const Inbound& in, const v1::Hello& hello) {
  const std::string& vehicle_id = in.vehicle_id;
  v1::Envelope out;
  v1::HelloReply& reply = *out.mutable_hello_reply();
  reply.set_major(kProtocolMajor);
  reply.set_minor(kProtocolMinor);
  reply.set_session(hello.session());
  reply.set_reason(problem_of(hello, vehicle_id));
  reply.set_accepted(reply.reason().empty());
  if (!reply.accepted()) {
    note(report_, StationEvent::Kind::refused, vehicle_id,
         "vehicle " + vehicle_id + " refused: " + reply.reason());
    send(in.routing_id, out);
    return;
  }
  reply.set_credit_bytes(credit_bytes_);
  reply.set_max_region_bytes(kMaxRegionBytes);
  reply.set_max_chunk_bytes(kMaxChunkBytes);
  reply.set_max_offers(kMaxOffers);
  const auto before = routing_ids_.find(vehicle_id);
  if (before != routing_ids_.end() && before->second != in.routing_id) sessions_.erase(before->second);
  routing_ids_[vehicle_id] = in.routing_id;
  // A second Hello on one connection keeps what is under way: it cannot be used to have labels sent over and
  // over.
  Session& session = sessions_[in.routing_id];
  session.public_key = in.public_key;
  session.vehicle_id = vehicle_id;
  session.offers.clear();
  if (send(in.routing_id, out))
    note(report_, StationEvent::Kind::connected, vehicle_id,
         "vehicle " + vehicle_id + " connected (" + hello.software().substr(0, 64) + ")");
}

void StationSessions::on_label_receipt(Session& session, const v1::LabelReceipt& receipt) {
  std::vector<LabelAck> acks;
  for (const auto& item : receipt.items()) {
    const auto digest = hex_digest(item.request_digest());
    // Only what was sent to this vehicle in this session can be acknowledged by it.
    if (!digest || session.labels_under_way.erase(*digest) == 0) continue;
    acks.push_back({*digest, status_of(item.status())});
  }
  if (acks.empty()) return;
  handler_.acknowledge(session.vehicle_id, acks);
  report_.totals.labels_acknowledged += static_cast<std::int64_t>(acks.size());
  session.labels_due = true;
}

void StationSessions::commit_and_answer() {
  for (const auto& [vehicle_id, messages] : intake_.commit()) {
    const auto routing_id = routing_ids_.find(vehicle_id);
    if (routing_id != routing_ids_.end()) send_all(routing_id->second, messages);
  }
  for (auto& [routing_id, session] : sessions_)
    if (session.labels_due) send_labels(routing_id, session);
  drop_lost();
  report_.vehicles = static_cast<int>(sessions_.size());
}

void StationSessions::send_labels(const std::string& routing_id, Session& session) {
  session.labels_due = false;
  if (session.labels_under_way.size() >= label_window_) return;  // due again with the next acknowledgement
  const auto labels = handler_.labels_after(session.vehicle_id, session.label_cursor,
                                            label_window_ - session.labels_under_way.size());
  for (const auto& label : labels) {
    v1::Envelope out;
    out.mutable_label()->set_request_digest(raw_digest(label.request_digest));
    out.mutable_label()->set_answer(label.payload);
    out.mutable_label()->set_answer_digest(raw_digest(digest_of(label.payload)));
    if (!send(routing_id, out)) return;  // the session is over
    session.label_cursor = label.row_id;
    session.labels_under_way.insert(label.request_digest);
    ++report_.totals.labels_sent;
  }
}

bool StationSessions::send(const std::string& routing_id, const v1::Envelope& message) {
  if (send_(routing_id, message)) return true;
  // Gone, or it does not read: nothing more for it until it greets again.
  ++report_.totals.unreachable;
  lost_.push_back(routing_id);
  return false;
}

void StationSessions::send_all(const std::string& routing_id, const RegionIntake::Messages& messages) {
  for (const auto& message : messages)
    if (!send(routing_id, message)) return;
}

void StationSessions::labels_ready(const std::string& vehicle_id) {
  const auto routing_id = routing_ids_.find(vehicle_id);
  if (routing_id == routing_ids_.end()) return;
  const auto session = sessions_.find(routing_id->second);
  if (session != sessions_.end()) session->second.labels_due = true;
}

void StationSessions::drop_revoked(
    const std::function<const std::string*(const std::string& public_key)>& vehicle_of) {
  for (const auto& [routing_id, session] : sessions_) {
    const std::string* vehicle_id = vehicle_of(session.public_key);
    if (vehicle_id && *vehicle_id == session.vehicle_id) continue;
    note(report_, StationEvent::Kind::refused, session.vehicle_id,
         "vehicle " + session.vehicle_id + " was taken off the allow-list");
    send(routing_id, problem_message(v1::Problem::REVOKED, "", "its key was taken off the allow-list"));
    lost_.push_back(routing_id);
  }
  drop_lost();
}

void StationSessions::drop_lost() {
  for (const auto& routing_id : lost_) {
    const auto session = sessions_.find(routing_id);
    if (session == sessions_.end()) continue;
    const auto newest = routing_ids_.find(session->second.vehicle_id);
    if (newest != routing_ids_.end() && newest->second == routing_id) routing_ids_.erase(newest);
    sessions_.erase(session);
  }
  lost_.clear();
}

}  // namespace driftloop::uplink
