// From metres along a street to samples on the canvas: the ego camera, the light, and the few shapes
// everything else is built of.
#pragma once
#include <span>
#include <vector>

#include "adapt/data/streetsim/canvas.h"
#include "adapt/data/streetsim/plan.h"

namespace driftloop::adapt::streetsim {

inline constexpr double kSight_m = 170;  // nothing of the street is drawn beyond

/// A corner in camera coordinates (x right, y up, z forward; metres) and its place on the surface.
struct Corner {
  Vec3 p;
  float u = 0, v = 0;
};

/// Where a thing stands. yaw 0 faces along the drive, pi faces us, +-pi/2 stands across.
struct Pose {
  double z = 0;
  float lateral = 0;
  float yaw = 0;
  float base_m = 0;  // ground level there
};

/// The thing's own axes in camera coordinates.
struct Frame {
  Vec3 origin, right, up, forward;
  Vec3 at(float r, float u, float f) const { return origin + right * r + up * u + forward * f; }
};

enum class PatchShape { box, blob, leaves };
enum class PatchKind { shadow, lamp };

/// A soft patch of shade or lamplight on the ground; it changes the picture, never the mask.
struct GroundPatch {
  std::vector<ScreenVertex> corners;
  PatchShape shape;
  PatchKind kind;
  float strength;
};

class Stage {
 public:
  /// `scale` samples per pixel along each side.
  Stage(const Look& look, const Plan& plan, double travelled_m, int width, int height);

  const Look& look() const { return *look_; }
  const Plan& plan() const { return *plan_; }
  double travelled_m() const { return travelled_; }
  double origin_z() const { return travelled_; }
  float focal() const { return focal_; }
  double horizon_row() const { return centre_y_; }
  double centre_column() const { return centre_x_; }
  float heading() const { return heading_; }
  Canvas& canvas() { return canvas_; }
  const Canvas& canvas() const { return canvas_; }
  const std::vector<GroundPatch>& patches() const { return patches_; }
  /// Sun direction in street coordinates (lateral, up, along).
  Vec3 sun() const { return sun_; }

  /// A point given in street coordinates; the street's curve is applied.
  Vec3 at(float lateral, float up, double z) const;
  Frame frame(const Pose& pose) const;

  void polygon(std::span<const Corner> corners, Surface surface);
  /// a-b is the bottom edge, d-c the top; (u, v) run from (0, 0) at a to (u1, v1) at c.
  void quad(Vec3 a, Vec3 b, Vec3 c, Vec3 d, const Surface& surface, float u1 = 1, float v1 = 1);
  /// A straight round rod that always shows its full width.
  void stick(Vec3 a, Vec3 b, float width_a, float width_b, Surface surface);
  /// An upright ellipse that faces the camera; u, v in [-1, 1].
  void disc(Vec3 centre, float radius_x, float radius_y, Surface surface);

  /// Corners like quad(), on the ground.
  void patch(Vec3 a, Vec3 b, Vec3 c, Vec3 d, PatchShape shape, PatchKind kind, float strength);
  /// Soft shade under and beside a thing of that footprint.
  void contact_shadow(const Pose& pose, float width_m, float length_m, float height_m);

 private:
  bool project(std::span<const Corner> corners, std::vector<ScreenVertex>& out) const;
  Rgb lit(Vec3 normal) const;

  const Look* look_;
  const Plan* plan_;
  double travelled_;
  float focal_, heading_, cos_, sin_, ego_x_, lift_;
  double centre_x_, centre_y_;
  Vec3 sun_, sun_camera_;
  Canvas canvas_;
  std::vector<GroundPatch> patches_;
  std::vector<ScreenVertex> scratch_;
};

}  // namespace driftloop::adapt::streetsim
