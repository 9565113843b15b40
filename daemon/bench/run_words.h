// What a run is called, for people.
#pragma once
#include <string>

#include "daemon/bench/offline_options.h"

namespace driftloop::daemon {

/// "streetsim:game?frames=240" -> "streetsim game", "folder:/data/drive" -> "drive", "camvid:/data/camvid" ->
/// "camvid".
std::string words_of_dataset(const std::string& spec);

/// "driftloop demo: streetsim game → street, 3 rounds, 0.3 % of the pixels".
std::string title_in_words(const RunOptions& run);

/// "0.3 % of the pool's pixels in 3 rounds, regions of 8x8 px, 140 training steps a round".
std::string budget_in_words(const RunOptions& run);

}  // namespace driftloop::daemon
