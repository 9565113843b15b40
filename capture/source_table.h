// The schemes a camera URI can have.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "capture/pipeline_text.h"
#include "capture/source.h"

namespace driftloop::capture {

struct SourceEntry {
  std::string_view name;  // the scheme
  std::string_view help;
  std::string_view example;
  Life life;
  PipelineHost least_host;  // jetson: its frames are in NVMM memory wherever the text is made
  /// The beginning of the pipeline, up to raw video; null for a source that is no single pipeline.
  std::string (*head)(const Uri&);
  std::unique_ptr<FrameSource> (*open)(const SourceOptions&, const SourceEntry&);
};

std::span<const SourceEntry> source_table();

/// Throws Error with the nearest known scheme.
const SourceEntry& find_source(std::string_view scheme);

}  // namespace driftloop::capture
