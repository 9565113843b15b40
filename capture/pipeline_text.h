// URI -> the text of a GStreamer pipeline, without touching GStreamer: what a scheme does can be read and
// tested on a machine that has none of the hardware.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "capture/source.h"

namespace driftloop::capture {

/// On a Jetson decoded frames live in NVMM memory, which only nvvidconv can bring to the CPU.
enum class PipelineHost { generic = 0, jetson = 1 };

struct Uri {
  std::string scheme;                        // "" when the text is a pipeline
  std::string path;                          // what follows "scheme://", percent-decoded, without the query
  std::map<std::string, std::string> query;  // key=value after '?'
};

/// Throws Error when the text is neither scheme://... nor a pipeline (which has a '!').
Uri parse_uri(const std::string& text);

/// The element that is read from is always the appsink called `frames`, fed with video/x-raw,format=RGB.
/// Throws Error for an unknown scheme (with the nearest name), a bad query, or images://, which has no
/// pipeline of its own but one for each file: image_pipeline_text.
std::string pipeline_text(const SourceOptions& options, PipelineHost host = PipelineHost::generic);

/// One JPEG or PNG file.
std::string image_pipeline_text(const std::string& path, const SourceOptions& options);

// What each scheme puts in front of the common tail: the entries of the table in source_table.cpp.
std::string file_head(const Uri& uri);
std::string v4l2_head(const Uri& uri);
std::string rtsp_head(const Uri& uri);
std::string csi_head(const Uri& uri);
std::string test_head(const Uri& uri);

}  // namespace driftloop::capture
