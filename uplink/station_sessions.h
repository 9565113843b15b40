// The station's half of the protocol (docs/protocol.md) without a socket: who is here, what each vehicle is
// told and which labels are under way to it. Called by the link's owner thread.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "uplink/region_intake.h"
#include "uplink/wire.h"
#include "uplink/zmq_station_link.h"

namespace driftloop::uplink {

class StationSessions {
 public:
  /// False when the message did not go: the vehicle is gone, or it does not read.
  using Send = std::function<bool(const std::string& routing_id, const v1::Envelope& message)>;
  /// `handler` and whatever `send` needs outlive the sessions.
  StationSessions(const StationLinkOptions& options, StationHandler& handler, Send send);

  struct Inbound {
    std::string routing_id;
    std::string public_key;  // as proven in the handshake
    std::string vehicle_id;  // of this key; empty when it is not in the allow-list (any more)
    std::string_view bytes;
  };
  void take(const Inbound& in);
  bool can_take() const { return !intake_.is_full(); }
  /// Commits what has arrived and answers it, sends the labels that are due, ends the sessions that were
  /// lost.
  void commit_and_answer();

  void labels_ready(const std::string& vehicle_id);
  /// The allow-list has changed: ends each session whose key is no longer that of its vehicle.
  /// `vehicle_of(public key)` is null for a key that is not in the list.
  void drop_revoked(const std::function<const std::string*(const std::string& public_key)>& vehicle_of);

  StationReport& report() { return report_; }

 private:
  struct Session {
    std::string public_key;
    std::string vehicle_id;
    RegionIntake::Offers offers;
    std::int64_t label_cursor = 0;
    std::set<std::string> labels_under_way;
    bool labels_due = true;
  };
  void on_hello(const Inbound& in, const v1::Hello& hello);
  void on_label_receipt(Session& session, const v1::LabelReceipt& receipt);
  void send_labels(const std::string& routing_id, Session& session);
  bool send(const std::string& routing_id, const v1::Envelope& message);
  void send_all(const std::string& routing_id, const RegionIntake::Messages& messages);
  void drop_lost();

  std::uint64_t credit_bytes_;
  std::size_t label_window_;
  StationHandler& handler_;
  Send send_;
  StationReport report_;
  RegionIntake intake_;
  std::map<std::string, Session> sessions_;         // by routing id
  std::map<std::string, std::string> routing_ids_;  // by vehicle id: its newest session
  std::vector<std::string> lost_;                   // routing ids whose sessions end with this step
};

}  // namespace driftloop::uplink
