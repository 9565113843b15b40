#include <opencv2/core.hpp>

#include "adapt/data/streetsim/develop.h"
#include "adapt/data/streetsim/materials.h"
#include "adapt/data/streetsim/noise.h"
#include "adapt/data/streetsim/shapes.h"

namespace driftloop::adapt::streetsim {
namespace {

bool is_ground(std::uint8_t id) {
  return id == label::road || id == label::sidewalk || id == label::terrain;
}

class Exposure {
 public:
  explicit Exposure(const Stage& stage)
      : stage_(stage), canvas_(stage.canvas()), look_(stage.look()), azimuth_(std::tan(stage.heading())) {}

  std::uint8_t label(std::uint32_t seen) const {
    return seen == 0 ? std::uint8_t(label::sky) : canvas_.primitive(seen).surface.label;
  }

  Rgb sample(int x, int y, float dx, float dy) const {
    const std::uint32_t seen = canvas_.seen(x, y);
    const float px = float(x) + dx, py = float(y) + dy, focal = stage_.focal();
    if (seen == 0) {
      const auto drift = float(std::fmod(stage_.travelled_m() * 0.004, 256.0));
      return sky_colour(look_, (px - float(stage_.centre_column())) / focal + azimuth_,
                        std::max(0.0F, (float(stage_.horizon_row()) - py) / focal), drift);
    }
    const Primitive& p = canvas_.primitive(seen);
    const float z = 1 / canvas_.inverse_z(x, y);
    const Spot spot{(p.u[0] * px + p.u[1] * py + p.u[2]) * z, (p.v[0] * px + p.v[1] * py + p.v[2]) * z, z,
                    focal / z};
    const Rgb colour = surface_colour(look_, p.surface, spot);
    const float haze = z / look_.light.haze_m;
    return mix(colour, look_.light.haze, 1 - 1 / (1 + haze + 0.5F * haze * haze));
  }

  /// Mean colour and commonest label of the samples of one pixel.
  Rgb pixel(int x, int y, std::uint8_t& id) const {
    const int x0 = x * kSamples, y0 = y * kSamples;
    const std::uint32_t seen[4] = {canvas_.seen(x0, y0), canvas_.seen(x0 + 1, y0), canvas_.seen(x0, y0 + 1),
                                   canvas_.seen(x0 + 1, y0 + 1)};
    const bool one = seen[0] == seen[1] && seen[0] == seen[2] && seen[0] == seen[3];
    if (one) {
      id = label(seen[0]);
      if (!has_detail(canvas_.primitive(seen[0]).surface.material)) return sample(x0, y0, 1, 1);
      return (sample(x0, y0, 0.5F, 0.5F) + sample(x0 + 1, y0 + 1, 0.5F, 0.5F)) * 0.5F;
    } else {
      id = vote(seen);
    }
    return (sample(x0, y0, 0.5F, 0.5F) + sample(x0 + 1, y0, 0.5F, 0.5F) + sample(x0, y0 + 1, 0.5F, 0.5F) +
            sample(x0 + 1, y0 + 1, 0.5F, 0.5F)) *
           0.25F;
  }

 private:
  std::uint8_t vote(const std::uint32_t (&seen)[4]) const {
    std::uint8_t best = 0;
    int most = 0;
    for (int i = 0; i < 4; ++i) {
      int count = 0;
      for (std::uint32_t other : seen) count += label(other) == label(seen[i]);
      if (count > most) most = count, best = label(seen[i]);
    }
    return best;
  }

  const Stage& stage_;
  const Canvas& canvas_;
  const Look& look_;
  float azimuth_;
};

float patch_weight(const GroundPatch& patch, float u, float v) {
  if (patch.shape == PatchShape::box)
    return smooth((1 - std::abs(u)) * 3.2F) * smooth((1 - std::abs(v)) * 3.2F);
  const float r = 1 - u * u - v * v;
  if (r <= 0) return 0;
  if (patch.shape == PatchShape::blob) return r * r;
  return smooth(r * 2.2F) *
         clamp01(0.62F + 1.1F * Noise::shared().cloud(u * 14, v * 14 + float(patch.corners.size())));
}

void apply_patch(const GroundPatch& patch, Exposed& out, cv::Mat& shade, Rgb base, std::vector<float>& low,
                 std::vector<float>& high) {
  std::vector<ScreenVertex> corners = patch.corners;
  for (auto& c : corners) c.x /= kSamples, c.y /= kSamples;
  Gradient depth{}, u{}, v{};
  if (!gradients_of(corners, depth, u, v)) return;
  const Rgb lamp = Rgb{0.62F, 0.46F, 0.24F};
  scan_polygon(corners, out.label.cols, out.label.rows, low, high, [&](int y, int x0, int x1) {
    const auto* id = out.label.ptr<std::uint8_t>(y);
    auto* colour = out.colour.ptr<cv::Vec3f>(y);
    auto* dark = shade.ptr<float>(y);
    for (int x = x0; x < x1; ++x) {
      if (!is_ground(id[x])) continue;
      const double px = x + 0.5, py = y + 0.5, z = 1 / depth.at(px, py);
      const float weight =
          patch.strength * patch_weight(patch, float(u.at(px, py) * z), float(v.at(px, py) * z));
      if (patch.kind == PatchKind::shadow) {
        dark[x] = std::max(dark[x], weight);
      } else {
        colour[x] += cv::Vec3f(lamp.r * base.r, lamp.g * base.g, lamp.b * base.b) * (2.2F * weight);
      }
    }
  });
}

}  // namespace

Exposed expose(const Stage& stage, int width, int height) {
  Exposed out{cv::Mat(height, width, CV_32FC3), cv::Mat(height, width, CV_8UC1)};
  const Exposure exposure(stage);
  for (int y = 0; y < height; ++y) {
    auto* colour = out.colour.ptr<cv::Vec3f>(y);
    auto* id = out.label.ptr<std::uint8_t>(y);
    for (int x = 0; x < width; ++x) {
      const Rgb c = exposure.pixel(x, y, id[x]);
      colour[x] = {c.r, c.g, c.b};
    }
  }
  std::vector<float> low(std::size_t(height), 0.0F), high(std::size_t(height), 0.0F);
  cv::Mat shade(height, width, CV_32FC1, cv::Scalar(0));  // shadows do not add up where they overlap
  const auto apply = [&](PatchKind kind) {
    for (const GroundPatch& patch : stage.patches())
      if (patch.kind == kind) apply_patch(patch, out, shade, stage.look().layout.asphalt, low, high);
  };
  apply(PatchKind::shadow);
  for (int y = 0; y < height; ++y) {
    auto* colour = out.colour.ptr<cv::Vec3f>(y);
    const auto* dark = shade.ptr<float>(y);
    for (int x = 0; x < width; ++x)
      if (dark[x] > 0) colour[x] *= 1 - dark[x];
  }
  apply(PatchKind::lamp);
  return out;
}

}  // namespace driftloop::adapt::streetsim
