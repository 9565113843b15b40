#include "adapt/data/streetsim/canvas.h"

#include "adapt/data/streetsim/noise.h"

namespace driftloop::adapt::streetsim {
namespace {

/// Is there anything at (u, v)? Discs and crowns live in [-1, 1]^2, bars in metres.
bool solid_at(const Surface& surface, float u, float v, float depth_m) {
  switch (surface.cutout) {
    case Cutout::none:
      return true;
    case Cutout::disc:
      return u * u + v * v < 1;
    case Cutout::ring: {
      const float r = u * u + v * v;
      return r < 1 && (r > surface.param[0] || r < 0.02F);
    }
    case Cutout::crown: {
      const float r = u * u + v * v;
      if (r > 1) return false;
      if (r < 0.3F) return true;
      const float shift = static_cast<float>(surface.salt & 255U);
      const Noise& noise = Noise::shared();
      const float edge = 0.76F + 0.4F * noise.cloud(u * 9 + shift, v * 9 + shift * 0.7F) +
                         0.13F * noise.grain(u * 14 + shift, v * 14);
      return r < edge * edge;
    }
    case Cutout::bars: {
      if (depth_m > 28) return true;  // too fine to see through from afar
      return fraction(u / 0.22F) < 0.32F || v < 0.1F || v > surface.param[0] - 0.12F;
    }
  }
  return true;
}

}  // namespace

bool gradients_of(std::span<const ScreenVertex> corners, Gradient& depth, Gradient& u, Gradient& v) {
  const ScreenVertex& a = corners[0];
  double best = 0;
  const ScreenVertex *b = nullptr, *c = nullptr;
  for (std::size_t i = 1; i + 1 < corners.size(); ++i) {
    const ScreenVertex &p = corners[i], &q = corners[i + 1];
    const double area = (p.x - a.x) * (q.y - a.y) - (q.x - a.x) * (p.y - a.y);
    if (std::abs(area) > std::abs(best)) best = area, b = &p, c = &q;
  }
  if (std::abs(best) < 1e-3) return false;
  const auto through = [&](double qa, double qb, double qc) {
    Gradient g{};
    g.x = ((qb - qa) * (c->y - a.y) - (qc - qa) * (b->y - a.y)) / best;
    g.y = ((qc - qa) * (b->x - a.x) - (qb - qa) * (c->x - a.x)) / best;
    g.c = qa - g.x * a.x - g.y * a.y;
    return g;
  };
  depth = through(a.inverse_z, b->inverse_z, c->inverse_z);
  u = through(a.u * a.inverse_z, b->u * b->inverse_z, c->u * c->inverse_z);
  v = through(a.v * a.inverse_z, b->v * b->inverse_z, c->v * c->inverse_z);
  return true;
}

Canvas::Canvas(int width, int height)
    : width_(width),
      height_(height),
      inverse_z_(static_cast<std::size_t>(width) * height, 0.0F),
      seen_(static_cast<std::size_t>(width) * height, 0U),
      primitives_(1),
      row_low_(height),
      row_high_(height) {
  primitives_[0].surface.material = Material::sky;
  primitives_.reserve(4096);
}

void Canvas::fill(std::span<const ScreenVertex> corners, const Surface& surface) {
  Gradient depth{}, u{}, v{};
  if (corners.size() < 3 || !gradients_of(corners, depth, u, v)) return;
  const auto index = static_cast<std::uint32_t>(primitives_.size());
  primitives_.push_back(
      {surface, {float(u.x), float(u.y), float(u.c)}, {float(v.x), float(v.y), float(v.c)}});
  scan_polygon(corners, width_, height_, row_low_, row_high_,
               [&](int y, int x0, int x1) { fill_row(y, x0, x1, index, depth); });
}

void Canvas::fill_row(int y, int x0, int x1, std::uint32_t index, const Gradient& depth) {
  const Primitive& primitive = primitives_[index];
  float* near = &inverse_z_[at(0, y)];
  std::uint32_t* seen = &seen_[at(0, y)];
  const float py = static_cast<float>(y) + 0.5F;
  const auto start = static_cast<float>(depth.at(0.5, py));
  const auto step = static_cast<float>(depth.x);
  if (primitive.surface.cutout == Cutout::none) {
    for (int x = x0; x < x1; ++x) {
      const float iz = start + step * static_cast<float>(x);
      if (iz > near[x]) near[x] = iz, seen[x] = index;
    }
    return;
  }
  for (int x = x0; x < x1; ++x) {
    const float iz = start + step * static_cast<float>(x);
    if (iz <= near[x]) continue;
    const float px = static_cast<float>(x) + 0.5F, z = 1 / iz;
    const float u = (primitive.u[0] * px + primitive.u[1] * py + primitive.u[2]) * z;
    const float v = (primitive.v[0] * px + primitive.v[1] * py + primitive.v[2]) * z;
    if (solid_at(primitive.surface, u, v, z)) near[x] = iz, seen[x] = index;
  }
}

}  // namespace driftloop::adapt::streetsim
