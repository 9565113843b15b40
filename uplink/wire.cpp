#include "uplink/wire.h"

namespace driftloop::uplink {

std::string pack(const v1::Envelope& envelope) {
  return envelope.SerializeAsString();
}

bool unpack(std::string_view bytes, v1::Envelope& envelope) {
  envelope.Clear();
  return bytes.size() <= kMaxMessageDown &&
         envelope.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) &&
         envelope.body_case() != v1::Envelope::BODY_NOT_SET;
}

}  // namespace driftloop::uplink
