// Which driftloop this is. One source file knows, so that a commit does not rebuild the room.
#pragma once

namespace driftloop::daemon {

/// "0.1.0"
const char* version();
/// The commit this was configured at, with "-dirty" when the tree differed; "unknown" outside a checkout.
const char* revision();

}  // namespace driftloop::daemon
