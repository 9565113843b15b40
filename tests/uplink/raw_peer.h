// Peers that speak the wire without our code on their side: what ours must bear from others.
#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <zmq.hpp>

#include "uplink/keys.h"
#include "uplink/wire.h"

namespace driftloop::uplink::test {

/// A vehicle with a valid key and no manners.
class RawVehicle {
 public:
  RawVehicle(const std::string& endpoint, const KeyPair& keys, const std::string& station_key)
      : socket_(context_, zmq::socket_type::dealer) {
    socket_.set(zmq::sockopt::linger, 0);
    socket_.set(zmq::sockopt::rcvhwm, 1);
    socket_.set(zmq::sockopt::rcvbuf, 4096);
    socket_.set(zmq::sockopt::curve_serverkey, station_key);
    socket_.set(zmq::sockopt::curve_publickey, keys.public_z85);
    socket_.set(zmq::sockopt::curve_secretkey, keys.secret_z85);
    socket_.connect(endpoint);
  }
  /// False while the queue to the station is full.
  bool send(const v1::Envelope& message) {
    return socket_.send(zmq::buffer(pack(message)), zmq::send_flags::dontwait).has_value();
  }
  std::optional<v1::Envelope> receive() {
    zmq::message_t frame;
    v1::Envelope message;
    if (!socket_.recv(frame, zmq::recv_flags::dontwait) || !unpack(frame.to_string_view(), message))
      return {};
    return message;
  }

 private:
  zmq::context_t context_{1};
  zmq::socket_t socket_;
};

/// A station that admits everybody and answers each Hello with `reply`, its session filled in.
class RawStation {
 public:
  RawStation(const KeyPair& keys, const v1::HelloReply& reply)
      : socket_(context_, zmq::socket_type::router), reply_(reply) {
    socket_.set(zmq::sockopt::linger, 0);
    socket_.set(zmq::sockopt::curve_server, true);
    socket_.set(zmq::sockopt::curve_secretkey, keys.secret_z85);
    socket_.bind("tcp://127.0.0.1:*");
  }
  std::string endpoint() const { return socket_.get(zmq::sockopt::last_endpoint); }
  void step() {
    zmq::message_t peer, frame;
    while (socket_.recv(peer, zmq::recv_flags::dontwait)) {
      (void)socket_.recv(frame);
      v1::Envelope in, out;
      if (!unpack(frame.to_string_view(), in)) continue;
      if (!in.has_hello()) {
        ++others_;
        continue;
      }
      *out.mutable_hello_reply() = reply_;
      out.mutable_hello_reply()->set_session(in.hello().session());
      socket_.send(peer, zmq::send_flags::sndmore);
      socket_.send(zmq::buffer(pack(out)), zmq::send_flags::none);
    }
  }
  int others() const { return others_; }  // messages that were no Hello

 private:
  zmq::context_t context_{1};
  zmq::socket_t socket_;
  v1::HelloReply reply_;
  int others_ = 0;
};

}  // namespace driftloop::uplink::test
