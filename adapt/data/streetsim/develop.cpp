#include "adapt/data/streetsim/develop.h"

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "adapt/data/streetsim/noise.h"
#include "adapt/data/streetsim/shapes.h"
#include "config/check.h"

namespace driftloop::adapt::streetsim {
namespace {

/// A wet road mirrors what stands on it: about the lowest thing above each of its pixels.
void mirror(const Exposed& in, cv::Mat& colour, float wet, std::uint64_t frame) {
  const cv::Mat source = colour.clone();
  const Noise& noise = Noise::shared();
  const auto drift = float(frame & 255U);
  for (int x = 0; x < colour.cols; ++x) {
    int foot = 0;  // lowest row above with something that stands
    for (int y = 0; y < colour.rows; ++y) {
      const std::uint8_t id = in.label.at<std::uint8_t>(y, x);
      if (id != label::road && id != label::sidewalk) {
        foot = y;
        continue;
      }
      const float depth = float(y - foot);
      const float ripple = noise.cloud(float(x) * 0.5F, float(y) * 2.2F + drift);
      const int from_y = std::clamp(int(float(foot) - depth * (1 + 0.12F * ripple)), 0, colour.rows - 1);
      const int from_x = std::clamp(x + int(2.5F * ripple), 0, colour.cols - 1);
      const float puddle = clamp01(0.55F + 0.9F * noise.cloud(float(x) * 0.22F, float(y) * 0.8F));
      const float share = wet * (id == label::road ? 1.0F : 0.5F) * puddle;
      auto& c = colour.at<cv::Vec3f>(y, x);
      c = c * (1 - share) + source.at<cv::Vec3f>(from_y, from_x) * share;
    }
  }
}

void glare(cv::Mat& colour, float strength) {
  cv::Mat small, bright;
  cv::resize(colour, small, {}, 0.25, 0.25, cv::INTER_AREA);
  bright = cv::max(small - cv::Scalar::all(0.75), cv::Scalar::all(0));
  cv::GaussianBlur(bright, bright, {}, std::max(0.8, 0.012 * colour.cols / 2));
  cv::resize(bright, bright, colour.size(), 0, 0, cv::INTER_LINEAR);
  colour += bright * double(strength);
}

void rain_streaks(cv::Mat& colour, float strength, std::uint64_t frame) {
  Dice dice(hash_of(frame, 7001));
  cv::Mat veil(colour.size(), CV_8UC1, cv::Scalar(0));
  const float scale = float(colour.cols) / 320;
  const int count = int(130 * strength);
  for (int i = 0; i < count; ++i) {
    const float x = dice.next() * float(colour.cols), y = dice.next() * float(colour.rows),
                length = scale * dice.range(5, 20);
    cv::line(veil, cv::Point(int(x), int(y)), cv::Point(int(x + length * 0.18F), int(y + length)),
             cv::Scalar(dice.range(30, 110)), std::max(1, int(scale * 0.7F)), cv::LINE_AA);
  }
  for (int y = 0; y < colour.rows; ++y) {
    auto* c = colour.ptr<cv::Vec3f>(y);
    const auto* v = veil.ptr<std::uint8_t>(y);
    for (int x = 0; x < colour.cols; ++x)
      if (v[x] > 0) c[x] += (cv::Vec3f(0.82F, 0.85F, 0.88F) - c[x]) * (float(v[x]) / 255 * 0.7F);
  }
}

/// A slow, smooth value in -1..1 along the drive.
float slow(const Stage& stage, int what, double period_m) {
  const double at = stage.travelled_m() / period_m;
  const auto step = std::int64_t(std::floor(at));
  const auto value = [&](std::int64_t s) {
    return 2 * unit(hash_of(stage.plan().seed(), 8000 + what, s)) - 1;
  };
  return mix(value(step), value(step + 1), smooth(float(at - double(step))));
}

void blur(const Stage& stage, cv::Mat& colour) {
  const Lens& lens = stage.look().lens;
  const double scale = colour.cols / 320.0;
  const double defocus = scale * lens.defocus * (1 + 0.6 * double(slow(stage, 1, 60)));
  const double motion = scale * lens.motion * std::max(0.0, double(slow(stage, 2, 40)));
  if (motion > 0.25)
    cv::GaussianBlur(colour, colour, {}, motion, std::max(0.05, defocus));
  else if (defocus > 0.2)
    cv::GaussianBlur(colour, colour, {}, defocus);
}

struct Tone {
  float gain[3];
  float contrast, saturation, brightness, vignette;
};

Tone tone_of(const Stage& stage) {
  const Lens& lens = stage.look().lens;
  const float exposure = std::exp2(lens.exposure * slow(stage, 3, 150));
  const float warm = lens.cast * slow(stage, 4, 260), green = lens.cast * 0.5F * slow(stage, 5, 330);
  return {{exposure * (1 + warm), exposure * (1 + green), exposure * (1 - warm)},
          lens.contrast,
          lens.saturation,
          lens.brightness,
          lens.vignette};
}

std::uint8_t quantise(float value) {
  return std::uint8_t(std::clamp(value * 255 + 0.5F, 0.0F, 255.0F));
}

cv::Mat print(const cv::Mat& colour, const Tone& tone, float noise_255, std::uint64_t frame) {
  cv::Mat out(colour.size(), CV_8UC3);
  const Noise& noise = Noise::shared();
  const float sigma = noise_255 / 255 * 2.4F;  // the table's own deviation is about 0.41
  const float cx = float(colour.cols) / 2, cy = float(colour.rows) / 2, reach = 1 / (cx * cx + cy * cy);
  for (int y = 0; y < colour.rows; ++y) {
    const auto* in = colour.ptr<cv::Vec3f>(y);
    auto* to = out.ptr<cv::Vec3b>(y);
    const std::uint64_t row = hash_of(frame, y);
    const auto nx = float(row & 255U), ny = float((row >> 8) & 255U);
    const float dy = float(y) - cy;
    for (int x = 0; x < colour.cols; ++x) {
      const float dx = float(x) - cx, shade = 1 - tone.vignette * (dx * dx + dy * dy) * reach;
      const Rgb c{in[x][0] * tone.gain[0] * shade, in[x][1] * tone.gain[1] * shade,
                  in[x][2] * tone.gain[2] * shade};
      const float grey = 0.3F * c.r + 0.59F * c.g + 0.11F * c.b;
      const float base = 0.5F + tone.brightness - 0.5F * tone.contrast;
      const float parts[3] = {c.r, c.g, c.b};
      for (int k = 0; k < 3; ++k) {
        float value = (grey + (parts[k] - grey) * tone.saturation) * tone.contrast + base;
        if (value > 0.85F)
          value = 0.85F + 0.15F * (1 - 1 / (1 + (value - 0.85F) / 0.15F));  // a soft shoulder
        if (sigma > 0)
          value +=
              sigma * noise.grain(float(x) + nx, ny + float(k) * 83) * (0.6F + 0.6F * clamp01(1 - value));
        to[x][k] = quantise(value);
      }
    }
  }
  return out;
}

cv::Mat through_jpeg(const cv::Mat& rgb, int quality) {
  std::vector<std::uint8_t> bytes;
  cv::Mat bgr;
  cv::cvtColor(rgb, bgr, cv::COLOR_RGB2BGR);
  DL_CHECK(cv::imencode(".jpg", bgr, bytes, {cv::IMWRITE_JPEG_QUALITY, quality}), quality);
  cv::Mat back = cv::imdecode(bytes, cv::IMREAD_COLOR);
  cv::cvtColor(back, back, cv::COLOR_BGR2RGB);
  return back;
}

}  // namespace

cv::Mat develop(const Stage& stage, Exposed exposed, std::uint64_t frame) {
  const Look& look = stage.look();
  const std::uint64_t seed = hash_of(stage.plan().seed(), 9000, frame);
  cv::Mat colour = exposed.colour;
  if (look.light.wet > 0) mirror(exposed, colour, look.light.wet, frame);
  if (look.lens.bloom > 0) glare(colour, look.lens.bloom);
  blur(stage, colour);
  if (look.lens.streaks > 0) rain_streaks(colour, look.lens.streaks, seed);
  cv::Mat rgb = print(colour, tone_of(stage), look.lens.noise, seed);
  return look.lens.jpeg > 0 ? through_jpeg(rgb, look.lens.jpeg) : rgb;
}

}  // namespace driftloop::adapt::streetsim
