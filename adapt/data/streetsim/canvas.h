// A depth-buffered canvas that remembers which primitive is seen at each sample, not its colour: picture and
// mask are both read from it afterwards, so their geometry is one.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "adapt/data/streetsim/maths.h"

namespace driftloop::adapt::streetsim {

enum class Material : std::uint8_t {
  flat,
  sky,
  road,
  paving,
  grass,
  facade,
  roof,
  brick,
  planks,
  foliage,
  glass,
  cabin,
  vehicle_rear,
  vehicle_front,
  vehicle_side,
  coach_side,
  cargo,
  wheel,
  sign,
  lamp,
  round,
};

/// Parts of a polygon that are not there, told from (u, v).
enum class Cutout : std::uint8_t { none, disc, crown, bars, ring };

/// What a primitive looks like. `param` is the material's own (see materials.cpp).
struct Surface {
  Material material = Material::flat;
  Cutout cutout = Cutout::none;
  std::uint8_t label = 0;  // trainId
  Rgb colour{};
  std::uint32_t salt = 0;  // tells this thing's grain and windows from its neighbour's
  float param[4] = {0, 0, 0, 0};
  Rgb light{1, 1, 1};
};

/// x, y in samples; `inverse_z` is 1 / depth in metres.
struct ScreenVertex {
  double x, y, inverse_z, u, v;
};

/// u and v of a primitive at a sample: (gx * x + gy * y + g0) / inverse_z.
struct Primitive {
  Surface surface;
  float u[3], v[3];
};

/// Linear function over the screen through three vertices.
struct Gradient {
  double x, y, c;
  double at(double px, double py) const { return x * px + y * py + c; }
};

class Canvas {
 public:
  /// Sizes in samples.
  Canvas(int width, int height);
  int width() const { return width_; }
  int height() const { return height_; }

  /// Fills a planar convex polygon where it is nearer than what is there. Samples lie at pixel centres.
  void fill(std::span<const ScreenVertex> corners, const Surface& surface);

  /// Index into primitives(); 0 = nothing drawn (the sky).
  std::uint32_t seen(int x, int y) const { return seen_[at(x, y)]; }
  float inverse_z(int x, int y) const { return inverse_z_[at(x, y)]; }
  const Primitive& primitive(std::uint32_t index) const { return primitives_[index]; }

 private:
  std::size_t at(int x, int y) const { return static_cast<std::size_t>(y) * width_ + x; }
  void fill_row(int y, int x0, int x1, std::uint32_t index, const Gradient& depth);

  int width_, height_;
  std::vector<float> inverse_z_;
  std::vector<std::uint32_t> seen_;
  std::vector<Primitive> primitives_;
  std::vector<float> row_low_, row_high_;
};

/// The rows and spans of a convex polygon by the pixel-centre rule: calls span(y, x0, x1) with x1 exclusive.
/// `low` and `high` are scratch space of `height` values.
template <class Span>
void scan_polygon(std::span<const ScreenVertex> corners, int width, int height, std::vector<float>& low,
                  std::vector<float>& high, Span&& span) {
  double top = 1e30, bottom = -1e30;
  for (const auto& c : corners) top = std::min(top, c.y), bottom = std::max(bottom, c.y);
  const int y0 = static_cast<int>(std::ceil(std::clamp(top - 0.5, 0.0, double(height))));
  const int y1 = static_cast<int>(std::ceil(std::clamp(bottom - 0.5, 0.0, double(height))));
  if (y0 >= y1) return;
  std::fill(low.begin() + y0, low.begin() + y1, 1e30F);
  std::fill(high.begin() + y0, high.begin() + y1, -1e30F);
  for (std::size_t i = 0; i < corners.size(); ++i) {
    const ScreenVertex *a = &corners[i], *b = &corners[(i + 1) % corners.size()];
    if (a->y > b->y) std::swap(a, b);
    const int r0 = static_cast<int>(std::ceil(std::clamp(a->y - 0.5, double(y0), double(y1))));
    const int r1 = static_cast<int>(std::ceil(std::clamp(b->y - 0.5, double(y0), double(y1))));
    if (r0 >= r1) continue;
    const double slope = (b->x - a->x) / (b->y - a->y);
    double x = a->x + (r0 + 0.5 - a->y) * slope;
    for (int r = r0; r < r1; ++r, x += slope) {
      low[r] = std::min(low[r], static_cast<float>(x));
      high[r] = std::max(high[r], static_cast<float>(x));
    }
  }
  for (int y = y0; y < y1; ++y) {
    const int x0 = static_cast<int>(std::ceil(std::clamp(low[y] - 0.5F, 0.0F, float(width))));
    const int x1 = static_cast<int>(std::ceil(std::clamp(high[y] - 0.5F, 0.0F, float(width))));
    if (x0 < x1) span(y, x0, x1);
  }
}

/// The gradient of each of 1/z, u/z and v/z; false for a polygon seen edge-on.
[[nodiscard]] bool gradients_of(std::span<const ScreenVertex> corners, Gradient& depth, Gradient& u,
                                Gradient& v);

}  // namespace driftloop::adapt::streetsim
