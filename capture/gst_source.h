// One GStreamer pipeline, read in pull mode by one thread: appsink and bus are both polled inside read(), so
// there is no main loop and no callback.
#pragma once
#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "capture/source.h"

namespace driftloop::capture {

struct GstSourceOptions {
  std::string
      pipeline;      // gst-launch text with an appsink called `frames` that is given video/x-raw,format=RGB
  std::string what;  // how the source is called in messages (the URI)
  Life life = Life::finite;  // a pipeline that starts as live becomes Life::live by itself
  AtEnd at_end = AtEnd::stop;
  std::chrono::milliseconds stall_timeout{3000};
  std::chrono::milliseconds start_timeout{10'000};
};

class GstSource final : public FrameSource {
 public:
  /// Parses and makes the elements; the device is opened by the first read. Throws Error for a text that
  /// does not parse, a missing element (with the package that has it) or a missing `frames` appsink.
  explicit GstSource(GstSourceOptions options);
  ~GstSource() override;

  SourceCounters counters() const override;
  Life life() const override;

 protected:
  ReadResult do_read(std::chrono::milliseconds timeout) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Pipelines of this process that could not be stopped, because a driver hangs, and hang still.
std::size_t hung_pipelines();

/// Whether this machine's GStreamer has the element.
bool gst_has_element(std::string_view name);

/// What to install for an element or decoder that is missing ("gstreamer1.0-libav"), as advice for a message.
std::string gst_package_advice(std::string_view element_or_format);

}  // namespace driftloop::capture
