#pragma once

namespace driftloop::uplink {

/// How a durable write ended. A full disk is an ordinary outcome: the transaction was rolled back whole,
/// nothing that was acknowledged is touched, and the call may be repeated when there is space.
enum class StoreOutcome { done, disk_full };

}  // namespace driftloop::uplink
