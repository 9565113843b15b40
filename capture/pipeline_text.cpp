#include "capture/pipeline_text.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <initializer_list>
#include <numeric>

#include "capture/source_table.h"
#include "config/check.h"
#include "config/name_table.h"
#include "config/redact.h"

namespace driftloop::capture {
namespace {

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string percent_decoded(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool coded = text[i] == '%' && i + 2 < text.size() &&
                       std::isxdigit(static_cast<unsigned char>(text[i + 1])) &&
                       std::isxdigit(static_cast<unsigned char>(text[i + 2]));
    out += coded ? static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16)) : text[i];
    if (coded) i += 2;
  }
  return out;
}

void check_query(const Uri& uri, const std::vector<std::string>& known) {
  for (const auto& [key, value] : uri.query)
    if (std::find(known.begin(), known.end(), key) == known.end())
      config::throw_unknown_name(uri.scheme + ":// parameter", key, known);
}

std::string query_or(const Uri& uri, const std::string& key, const std::string& fallback) {
  const auto it = uri.query.find(key);
  return it == uri.query.end() ? fallback : it->second;
}

/// A whole number from the query, in [min, max].
int query_number(const Uri& uri, const std::string& key, int fallback, int min, int max) {
  const std::string text = query_or(uri, key, std::to_string(fallback));
  const bool digits = !text.empty() && text.size() <= 9 && std::all_of(text.begin(), text.end(), [](char c) {
    return std::isdigit(static_cast<unsigned char>(c));
  });
  if (!digits || std::stoi(text) < min || std::stoi(text) > max)
    throw Error(uri.scheme + ":// parameter " + key + "='" + text + "' must be a whole number from " +
                std::to_string(min) + " to " + std::to_string(max));
  return std::stoi(text);
}

/// 29.97 -> "2997/100".
std::string as_fraction(double value) {
  const int denominator = value == std::floor(value) ? 1 : 1000;
  const int numerator = std::max(1, static_cast<int>(std::lround(value * denominator)));
  const int common = std::gcd(numerator, denominator);
  return std::to_string(numerator / common) + '/' + std::to_string(denominator / common);
}

std::string size_caps(const SourceOptions& options) {
  if (options.width == 0 && options.height == 0) return "";
  return ",width=" + std::to_string(options.width) + ",height=" + std::to_string(options.height) +
         ",pixel-aspect-ratio=1/1";
}

void check_size(const SourceOptions& options) {
  if ((options.width == 0) != (options.height == 0))
    throw Error("source " + config::without_secrets(options.uri) +
                ": give both width and height, or neither (got " + std::to_string(options.width) + " x " +
                std::to_string(options.height) + ')');
}

/// From raw video to the appsink: rate first (dropped frames cost nothing more), then size, then RGB.
std::string tail(const SourceOptions& options, Life life, PipelineHost host) {
  std::string text;
  if (options.fps_limit > 0)
    text += " ! videorate drop-only=true ! video/x-raw(ANY),framerate=[0/1," +
            as_fraction(options.fps_limit) + ']';
  if (host == PipelineHost::jetson) text += " ! nvvidconv ! video/x-raw,format=BGRx" + size_caps(options);
  text += " ! videoconvert";
  if (options.width > 0 && host == PipelineHost::generic) text += " ! videoscale add-borders=false";
  text += " ! video/x-raw,format=RGB" + size_caps(options) + " ! appsink name=frames sync=false";
  // A camera must never wait for us: the newest frame wins. A file must wait: no frame is lost.
  return text + (life == Life::live ? " max-buffers=2 drop=true" : " max-buffers=4 drop=false");
}

bool has_own_sink(const std::string& text) {
  return text.find("name=frames") != std::string::npos;
}

}  // namespace

Uri parse_uri(const std::string& text) {
  const auto separator = text.find("://");
  const auto bang = text.find('!');
  if (bang != std::string::npos &&
      (separator == std::string::npos || text.find(' ') < separator || bang < separator))
    return {};
  if (separator == std::string::npos || separator == 0)
    throw Error(
        "'" + config::without_secrets(text) +
        "' is no source: give scheme://... (csi, v4l2, rtsp, file, images, test) or a GStreamer pipeline "
        "(elements joined by '!')");
  Uri uri{text.substr(0, separator), text.substr(separator + 3), {}};
  // Files may have a '?' in their names, and an RTSP address is the server's business.
  const bool opaque = uri.scheme == "file" || uri.scheme == "images" || uri.scheme == "rtsp";
  const auto question = opaque ? std::string::npos : uri.path.find('?');
  if (question != std::string::npos) {
    std::string rest = uri.path.substr(question + 1);
    uri.path.resize(question);
    while (!rest.empty()) {
      const auto end = std::min(rest.find('&'), rest.size());
      const std::string pair = rest.substr(0, end);
      const auto equals = pair.find('=');
      if (equals == std::string::npos || equals == 0)
        throw Error("source " + config::without_secrets(text) + ": '" + config::without_secrets(pair, text) +
                    "' after '?' is not key=value");
      uri.query[pair.substr(0, equals)] = percent_decoded(pair.substr(equals + 1));
      rest.erase(0, end + 1);
    }
  }
  if (uri.scheme != "rtsp") uri.path = percent_decoded(uri.path);
  return uri;
}

std::string pipeline_text(const SourceOptions& options, PipelineHost host) {
  check_size(options);
  const Uri uri = parse_uri(options.uri);
  if (uri.scheme.empty()) {
    if (has_own_sink(options.uri)) return options.uri;
    return options.uri + tail(options, Life::finite, PipelineHost::generic);
  }
  const SourceEntry& entry = find_source(uri.scheme);
  if (!entry.head)
    throw Error(config::without_secrets(options.uri) + ": " + uri.scheme +
                ":// is not one pipeline; each of its files has its own");
  return entry.head(uri) + tail(options, entry.life, std::max(host, entry.least_host));
}

std::string image_pipeline_text(const std::string& path, const SourceOptions& options) {
  check_size(options);
  SourceOptions one = options;
  one.fps_limit = 0;
  std::string ending = path.substr(std::min(path.rfind('.'), path.size()));
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return "filesrc location=" + quoted(path) + (ending == ".png" ? " ! pngdec" : " ! jpegdec") +
         tail(one, Life::finite, PipelineHost::generic);
}

std::string file_head(const Uri& uri) {
  return "filesrc location=" + quoted(uri.path) + " ! decodebin";
}

std::string v4l2_head(const Uri& uri) {
  check_query(uri, {"width", "height", "fps"});
  const std::string device = uri.path.empty()          ? "/dev/video0"
                             : uri.path.front() == '/' ? uri.path
                                                       : "/dev/" + uri.path;
  std::string text = "v4l2src device=" + quoted(device);
  if (!uri.query.empty()) {
    // The camera's own mode, raw or MJPEG alike; decodebin brings either to raw video.
    std::string caps;
    if (uri.query.count("width")) caps += ",width=" + std::to_string(query_number(uri, "width", 0, 1, 16384));
    if (uri.query.count("height"))
      caps += ",height=" + std::to_string(query_number(uri, "height", 0, 1, 16384));
    if (uri.query.count("fps"))
      caps += ",framerate=" + std::to_string(query_number(uri, "fps", 0, 1, 1000)) + "/1";
    text += " ! video/x-raw" + caps + ";image/jpeg" + caps;
  }
  return text + " ! decodebin";
}

std::string rtsp_head(const Uri& uri) {
  return "rtspsrc location=" + quoted("rtsp://" + uri.path) +
         " latency=100 protocols=tcp ! application/x-rtp,media=video ! decodebin";
}

std::string csi_head(const Uri& uri) {
  check_query(uri, {"width", "height", "fps"});
  Uri sensor{uri.scheme, "", {{"sensor", uri.path.empty() ? "0" : uri.path}}};
  return "nvarguscamerasrc sensor-id=" + std::to_string(query_number(sensor, "sensor", 0, 0, 15)) +
         " ! video/x-raw(memory:NVMM),width=" + std::to_string(query_number(uri, "width", 1280, 16, 16384)) +
         ",height=" + std::to_string(query_number(uri, "height", 720, 16, 16384)) +
         ",framerate=" + std::to_string(query_number(uri, "fps", 30, 1, 240)) + "/1";
}

std::string test_head(const Uri& uri) {
  check_query(uri, {"frames", "width", "height", "fps"});
  const std::string pattern = uri.path.empty() ? "ball" : uri.path;
  if (!std::all_of(pattern.begin(), pattern.end(),
                   [](unsigned char c) { return std::isalnum(c) || c == '-'; }))
    throw Error("test://" + pattern + ": not the name of a videotestsrc pattern (try test://ball)");
  return "videotestsrc pattern=" + pattern + " num-buffers=" +
         (uri.query.count("frames") ? std::to_string(query_number(uri, "frames", 0, 1, 999'999'999)) : "-1") +
         " ! video/x-raw,width=" + std::to_string(query_number(uri, "width", 320, 1, 16384)) +
         ",height=" + std::to_string(query_number(uri, "height", 192, 1, 16384)) +
         ",framerate=" + std::to_string(query_number(uri, "fps", 30, 1, 1000)) + "/1";
}

}  // namespace driftloop::capture
