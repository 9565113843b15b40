// A round's question to the engine and its answer; no LibTorch in this header.
#pragma once
#include <cstddef>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "adapt/acquisition/options.h"
#include "adapt/region.h"

namespace driftloop::adapt {

struct ProposeProgress {
  std::size_t frames;  // looked through, those of an earlier process included
  std::size_t all;     // that the round looks at
};

struct ProposeRequest {
  config::Chosen strategy;
  Budget budget;
  std::stop_token stop = {};
  /// A folder of this call's own: what was seen of each frame is kept there until the regions are chosen, so
  /// that a stop or a kill costs a few frames and not the round. Empty = nothing is kept. At most
  /// max_tiles x (2 x D + 6) bytes for cover (D channels, 256 at full width: 114 KB for a frame of
  /// 1280x720 in tiles of 64 px), 12 bytes a region and frame for the others.
  std::filesystem::path scratch = {};
  int save_every_frames = 32;  // scanned between two durable writes to `scratch`
  std::function<void(const ProposeProgress&)> progress = {};  // after each frame, and while choosing
};

struct ProposeReport {
  std::vector<Region> regions;  // asked for: the guard's random share first, then the most wanted first
  bool stopped = false;         // by the stop token: nothing is asked for
  std::size_t frames = 0;       // that the round chose from
  int resumed_frames = 0;       // of those, seen by an earlier process
  std::string scratch_problem;  // "" or why `scratch` could not be written or emptied
};

}  // namespace driftloop::adapt
