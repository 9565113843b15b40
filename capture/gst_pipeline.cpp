#include "capture/gst_pipeline.h"

#include <gst/app/gstappsink.h>
#include <gst/video/video.h>

#include <algorithm>

#include "capture/gst_source.h"
#include "capture/gst_teardown.h"
#include "config/check.h"
#include "config/redact.h"

namespace driftloop::capture {
namespace {

constexpr std::size_t kMaxHung = 3;  // each holds a device, a thread and its buffers

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

std::string missing_elements(GstParseContext* context) {
  std::string out;
  char** names = gst_parse_context_get_missing_elements(context);
  for (char** name = names; name && *name; ++name)
    out += std::string(out.empty() ? "" : "; ") + "element '" + *name +
           "' is missing: " + gst_package_advice(*name);
  g_strfreev(names);
  return out;
}

}  // namespace

GstPipelineRun::GstPipelineRun(const std::string& text, const std::string& what)
    : text_(text), what_(config::without_secrets(what)) {
  gst_start_library();
  if (hung_pipelines() >= kMaxHung)
    throw NeedsNewProcess(
        "source " + what_ + ": " + std::to_string(kMaxHung) +
        " earlier pipelines hang in their driver and cannot be stopped; only a new process helps");
  const GstHandle<GstParseContext> context(gst_parse_context_new());
  GError* raw = nullptr;
  GstElement* parsed = gst_parse_launch_full(text.c_str(), context.get(), GST_PARSE_FLAG_FATAL_ERRORS, &raw);
  const GstHandle<GError> error(raw);
  if (parsed) pipeline_.reset(GST_ELEMENT(gst_object_ref_sink(parsed)));
  if (error || !pipeline_) {
    const std::string missing = missing_elements(context.get());
    const std::string why = !missing.empty() ? missing : error ? one_line(error->message) : "it is empty";
    throw Error(safe("source " + what_ + ": cannot make the pipeline: " + why + " (pipeline: " + text + ')'));
  }
  if (GST_IS_BIN(pipeline_.get())) sink_.reset(gst_bin_get_by_name(GST_BIN(pipeline_.get()), "frames"));
  if (!sink_ || !GST_IS_APP_SINK(sink_.get()) || !GST_IS_PIPELINE(pipeline_.get()))
    throw Error("source " + what_ +
                ": the pipeline needs an appsink called frames at its end: ... ! videoconvert ! "
                "video/x-raw,format=RGB ! appsink name=frames");
  // The end of the stream never waits for the reader: it would hold locks that a stop needs.
  g_object_set(sink_.get(), "wait-on-eos", FALSE, nullptr);
  bus_.reset(gst_element_get_bus(pipeline_.get()));
}

GstPipelineRun::~GstPipelineRun() {
  if (!pipeline_) return;
  const bool send_end = live_ && !dead_ && !ended();
  // A stop that hangs is counted there, and the next pipeline is told: nothing more can be done here.
  static_cast<void>(stop_pipeline({std::move(pipeline_), std::move(sink_), std::move(bus_), send_end}));
}

GstPipelineRun::Start GstPipelineRun::start() {
  // Only the step to PAUSED tells a live pipeline (it cannot preroll) from a file.
  const GstStateChangeReturn paused = gst_element_set_state(pipeline_.get(), GST_STATE_PAUSED);
  live_ = paused == GST_STATE_CHANGE_NO_PREROLL;
  if (paused == GST_STATE_CHANGE_FAILURE ||
      gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE) {
    dead_ = true;
    return Start::failed;
  }
  // A camera must never be held up by its reader: the newest frame wins.
  if (live_) g_object_set(sink_.get(), "max-buffers", 2U, "drop", TRUE, nullptr);
  return live_ ? Start::live : Start::ok;
}

GstHandle<GstSample> GstPipelineRun::pull(std::chrono::milliseconds timeout) {
  const auto wait = static_cast<GstClockTime>(timeout.count()) * GST_MSECOND;
  return GstHandle<GstSample>(gst_app_sink_try_pull_sample(GST_APP_SINK(sink_.get()), wait));
}

bool GstPipelineRun::ended() {
  return gst_app_sink_is_eos(GST_APP_SINK(sink_.get()));
}

void GstPipelineRun::note_missing(const GstStructure* structure) {
  if (!structure || !gst_structure_has_name(structure, "missing-plugin")) return;
  const char* name = gst_structure_get_string(structure, "name");
  if (name) missing_ = name;
}

/// A message that may quote the pipeline, an address or a property, in the library's words.
std::string GstPipelineRun::safe(std::string message) const {
  return config::without_secrets(std::move(message), text_);
}

std::string GstPipelineRun::describe_failure(GstMessage* message) const {
  GError* raw = nullptr;
  char* raw_debug = nullptr;
  gst_message_parse_error(message, &raw, &raw_debug);
  const GstHandle<GError> error(raw);
  const GstHandle<char> debug(raw_debug);
  const char* from = GST_MESSAGE_SRC_NAME(message);
  std::string text =
      "source " + what_ + " failed in " + (from ? from : "?") + ": " + one_line(error->message);
  if (!missing_.empty())
    return safe(text + " (missing: " + missing_ + "; " + gst_package_advice(missing_) + ')');
  // The last line of the debug text is the cause in the library's own words; the rest is source code places.
  if (debug) {
    std::string detail(debug.get());
    while (!detail.empty() && detail.back() == '\n') detail.pop_back();
    const auto line = detail.rfind('\n');
    if (line != std::string::npos) text += " [" + detail.substr(line + 1) + ']';
  }
  return safe(std::move(text));
}

GstPipelineRun::News GstPipelineRun::poll() {
  News news;
  while (const GstHandle<GstMessage> message{gst_bus_pop(bus_.get())}) {
    switch (GST_MESSAGE_TYPE(message.get())) {
      case GST_MESSAGE_ELEMENT:
        note_missing(gst_message_get_structure(message.get()));
        break;
      case GST_MESSAGE_ERROR:
        dead_ = true;
        if (!news.error) news.error = describe_failure(message.get());
        break;
      case GST_MESSAGE_WARNING: {
        GError* raw = nullptr;
        gst_message_parse_warning(message.get(), &raw, nullptr);
        const GstHandle<GError> warning(raw);
        // Decoders report each picture that they give up on as a warning in this domain.
        if (g_error_matches(warning.get(), GST_STREAM_ERROR, GST_STREAM_ERROR_DECODE)) ++news.damaged;
        news.warning = safe("source " + what_ + ": " + one_line(warning->message));
        break;
      }
      default:
        break;
    }
  }
  return news;
}

cv::Mat image_of(GstSample* sample, const std::string& what) {
  GstCaps* caps = gst_sample_get_caps(sample);
  GstBuffer* buffer = gst_sample_get_buffer(sample);
  GstVideoInfo info;
  if (!caps || !buffer || !gst_video_info_from_caps(&info, caps))
    throw Error("source " + what +
                ": its appsink gets no raw video; end the pipeline with videoconvert ! "
                "video/x-raw,format=RGB ! appsink name=frames");
  if (GST_VIDEO_INFO_FORMAT(&info) != GST_VIDEO_FORMAT_RGB)
    throw Error("source " + what + ": its appsink gets " +
                gst_video_format_to_string(GST_VIDEO_INFO_FORMAT(&info)) +
                " pictures; put videoconvert ! video/x-raw,format=RGB in front of it");
  if (GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_CORRUPTED)) return {};
  GstVideoFrame mapped;
  if (!gst_video_frame_map(&mapped, &info, buffer, GST_MAP_READ)) return {};
  const cv::Mat view(GST_VIDEO_FRAME_HEIGHT(&mapped), GST_VIDEO_FRAME_WIDTH(&mapped), CV_8UC3,
                     GST_VIDEO_FRAME_PLANE_DATA(&mapped, 0),
                     static_cast<std::size_t>(GST_VIDEO_FRAME_PLANE_STRIDE(&mapped, 0)));
  cv::Mat image = view.clone();
  gst_video_frame_unmap(&mapped);
  return image;
}

std::optional<std::int64_t> time_of(GstSample* sample) {
  const GstBuffer* buffer = gst_sample_get_buffer(sample);
  if (!buffer || !GST_BUFFER_PTS_IS_VALID(buffer)) return std::nullopt;
  return static_cast<std::int64_t>(GST_BUFFER_PTS(buffer));
}

}  // namespace driftloop::capture
