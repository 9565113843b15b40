#include "uplink/wire.h"

#include <google/protobuf/stubs/logging.h>

namespace driftloop::uplink {

void silence_protobuf() {
  // A peer could fill our log: the library prints a line for each bad string. The outcome says it all.
  static const auto previous = google::protobuf::SetLogHandler(nullptr);
  (void)previous;
}

std::string pack(const v1::Envelope& envelope) {
  return envelope.SerializeAsString();
}

bool unpack(std::string_view bytes, v1::Envelope& envelope) {
  silence_protobuf();
  envelope.Clear();
  return bytes.size() <= kMaxMessageDown &&
         envelope.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) &&
         envelope.body_case() != v1::Envelope::BODY_NOT_SET;
}

}  // namespace driftloop::uplink
