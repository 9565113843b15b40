#include "daemon/version.h"

namespace driftloop::daemon {

const char* version() {
  return DRIFTLOOP_VERSION;
}
const char* revision() {
  return DRIFTLOOP_REVISION;
}

}  // namespace driftloop::daemon
