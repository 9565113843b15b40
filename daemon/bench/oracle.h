// Who labels in a benchmark: the target's own labels.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "adapt/data/dataset.h"
#include "adapt/region.h"
#include "config/label_space.h"
#include "daemon/bench/offline_options.h"

namespace driftloop::daemon {

/// A data set of the run, its decoded images kept as the run's settings say.
std::shared_ptr<const adapt::Dataset> open_cached(const std::string& spec, const std::string& split,
                                                  const RunOptions& options);

/// Null where the run has no source.
std::shared_ptr<const adapt::Dataset> open_source(const RunOptions& options);
/// Opens every data set of the run once, so that what is wrong with one is said before any work. Throws
/// Error.
void check_data(const RunOptions& options);

/// Ground truth goes round the outside, from the data set to the answer; the engine never sees it otherwise.
class Oracle {
 public:
  Oracle(std::shared_ptr<const adapt::Dataset> truth, const std::string& label_space);
  std::vector<adapt::RegionLabel> answer(const std::vector<adapt::Region>& regions) const;
  /// 8UC1 trainIds of the frame.
  cv::Mat map(const std::string& frame_id) const;

 private:
  std::shared_ptr<const adapt::Dataset> truth_;
  const config::TrainIdTable& fold_;
  std::map<std::string, std::size_t> index_;
};

}  // namespace driftloop::daemon
