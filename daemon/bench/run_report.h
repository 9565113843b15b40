// What a run's report holds beside its arms: the head and the pictures.
#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "adapt/region.h"
#include "daemon/bench/offline_options.h"
#include "daemon/report/report.h"

namespace driftloop::daemon {

/// Everything an arm asked for, from its saved state.
std::vector<adapt::Region> asked_regions(const std::string& arm, const std::filesystem::path& folder);

/// The head of a report: everything but arms and pictures.
Report report_head(const RunOptions& options, std::uint64_t seed, const std::string& command);

/// What the loop changed and a region that it asked about, then rows of pictures: frame, prediction before
/// (source weights) and after (`after` weights), score map, regions asked, labels, truth. `engine_options`
/// are those of the arm whose regions are shown.
struct PictureRequest {
  std::filesystem::path before, after;
  std::vector<adapt::Region> asked;  // frame ids as in the target data set
  int rows = 4;
  std::function<void(int done, int rows)> progress = {};
};
std::vector<Picture> make_pictures(const RunOptions& options, const std::string& arm,
                                   const PictureRequest& request);

}  // namespace driftloop::daemon
