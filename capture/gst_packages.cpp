// Which Debian/Ubuntu package has a missing GStreamer element.
#include <array>
#include <mutex>
#include <string>
#include <string_view>

#include "capture/gst_handles.h"
#include "capture/gst_source.h"
#include "config/check.h"

namespace driftloop::capture {
namespace {

struct Package {
  std::string_view part;  // of the element's name or the format's name
  std::string_view advice;
};
// From the packages' own lists (Debian 12, Ubuntu 22.04); the first match wins.
constexpr std::array<Package, 26> kPackages{{
    {"nvargus", "comes with JetPack (package nvidia-l4t-camera): a CSI camera needs a Jetson"},
    {"nvv4l2", "comes with JetPack (package nvidia-l4t-gstreamer)"},
    {"nvvidconv", "comes with JetPack (package nvidia-l4t-gstreamer)"},
    {"avdec", "install gstreamer1.0-libav"},
    {"H.264", "install gstreamer1.0-libav"},
    {"H.265", "install gstreamer1.0-libav"},
    {"MPEG-4", "install gstreamer1.0-libav"},
    {"AV1", "install gstreamer1.0-plugins-bad"},
    {"h264parse", "install gstreamer1.0-plugins-bad"},
    {"h265parse", "install gstreamer1.0-plugins-bad"},
    {"x264enc", "install gstreamer1.0-plugins-ugly"},
    {"libcamera", "install gstreamer1.0-libcamera"},
    {"v4l2", "install gstreamer1.0-plugins-good"},
    {"rtsp", "install gstreamer1.0-plugins-good"},
    {"rtp", "install gstreamer1.0-plugins-good"},
    {"jpeg", "install gstreamer1.0-plugins-good"},
    {"png", "install gstreamer1.0-plugins-good"},
    {"matroska", "install gstreamer1.0-plugins-good"},
    {"qt", "install gstreamer1.0-plugins-good"},
    {"avi", "install gstreamer1.0-plugins-good"},
    {"vp", "install gstreamer1.0-plugins-good"},
    {"VP", "install gstreamer1.0-plugins-good"},
    {"JPEG", "install gstreamer1.0-plugins-good"},
    {"video", "install gstreamer1.0-plugins-base"},
    {"decodebin", "install gstreamer1.0-plugins-base"},
    {"app", "install gstreamer1.0-plugins-base"},
}};

}  // namespace

std::string gst_package_advice(std::string_view element_or_format) {
  for (const Package& package : kPackages)
    if (element_or_format.find(package.part) != std::string_view::npos) return std::string(package.advice);
  return "look for it in gstreamer1.0-plugins-bad, -ugly or gstreamer1.0-libav";
}

void gst_start_library() {
  static std::once_flag once;
  std::call_once(once, [] {
    GError* raw = nullptr;
    if (!gst_init_check(nullptr, nullptr, &raw)) {
      const GstHandle<GError> error(raw);
      throw Error(std::string("cannot start GStreamer: ") + (error ? error->message : "unknown reason"));
    }
  });
}

bool gst_has_element(std::string_view name) {
  gst_start_library();
  return GstHandle<GstElementFactory>(gst_element_factory_find(std::string(name).c_str())) != nullptr;
}

}  // namespace driftloop::capture
