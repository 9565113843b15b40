// Who labels: the one port of the lab. An oracle reads ground truth; people and files come as further
// sources.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "config/fields.h"
#include "config/name_table.h"
#include "station/ledger.h"

namespace driftloop::station {

struct LabelSourceOptions {
  std::string source = "oracle";
  std::string folder;
  std::string ids = "trainids";
  std::string label_space;
  double delay_s = 0;
};
void describe(config::Fields& f, LabelSourceOptions& o);

class LabelSource {
 public:
  virtual ~LabelSource() = default;
  /// The answer to a request, or none while it is not known yet. An answer that cannot be given (no ground
  /// truth, wrong size) is a refused one with its reason. `now_ns` is the wall clock. May block for the disk.
  virtual std::optional<uplink::LabelReply> answer(const Request& request, std::int64_t now_ns) = 0;
};

using LabelSourceFactory = std::unique_ptr<LabelSource> (*)(const LabelSourceOptions&);
std::span<const config::NameEntry<LabelSourceFactory>> label_sources();

/// Throws Error: unknown name, missing folder, unknown id table or label space.
std::unique_ptr<LabelSource> make_label_source(const LabelSourceOptions& options);

// Factories, one source file each.
std::unique_ptr<LabelSource> make_oracle_source(const LabelSourceOptions& options);

}  // namespace driftloop::station
