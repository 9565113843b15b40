#include "adapt/data/streetsim/stage.h"

namespace driftloop::adapt::streetsim {
namespace {

constexpr float kNear_m = 0.35F;
constexpr double kSunTurn_m = 900;  // the sun goes round the street once in 2 pi times this

Corner between(const Corner& a, const Corner& b) {
  const float t = (kNear_m - a.p.z) / (b.p.z - a.p.z);
  return {a.p + (b.p - a.p) * t, mix(a.u, b.u, t), mix(a.v, b.v, t)};
}

}  // namespace

Stage::Stage(const Look& look, const Plan& plan, double travelled_m, int width, int height)
    : look_(&look), plan_(&plan), travelled_(travelled_m), canvas_(width, height) {
  focal_ = look.lens.focal_widths * float(width);
  const auto wave = [&](int topic, double period_m) {
    return float(std::sin(travelled_m / period_m + 6.283 * double(unit(hash_of(plan.seed(), 90, topic)))));
  };
  heading_ = std::atan(plan.slope(travelled_m)) + 0.012F * wave(0, 47);
  cos_ = std::cos(heading_), sin_ = std::sin(heading_);
  ego_x_ = plan.centre(travelled_m) + plan.ego_lateral_m() + 0.15F * wave(1, 71);
  lift_ = look.lens.height_m + 0.01F * wave(2, 5.3);
  centre_x_ = width * 0.5;
  centre_y_ = height * (double(look.lens.horizon) + 0.008 * wave(3, 83) + 0.0015 * wave(4, 4.1));
  const auto turn = float(6.283 * double(unit(hash_of(plan.seed(), 91))) + travelled_m / kSunTurn_m);
  sun_ = normalised({std::sin(turn), look.light.sun_height, -0.75F * std::cos(turn)});
  sun_camera_ = {sun_.x * cos_ - sun_.z * sin_, sun_.y, sun_.x * sin_ + sun_.z * cos_};
}

Vec3 Stage::at(float lateral, float up, double z) const {
  const float x = plan_->centre(z) + lateral - ego_x_;
  const auto ahead = float(z - travelled_);
  return {x * cos_ - ahead * sin_, up - lift_, x * sin_ + ahead * cos_};
}

Frame Stage::frame(const Pose& pose) const {
  const float yaw = std::atan(plan_->slope(pose.z)) + pose.yaw - heading_;
  const Vec3 forward{std::sin(yaw), 0, std::cos(yaw)}, right{std::cos(yaw), 0, -std::sin(yaw)};
  return {at(pose.lateral, pose.base_m, pose.z), right, {0, 1, 0}, forward};
}

Rgb Stage::lit(Vec3 normal) const {
  const float sky = 0.88F + 0.12F * normal.y;
  return look_->light.ambient * sky + look_->light.sun * std::max(0.0F, dot(normal, sun_camera_));
}

bool Stage::project(std::span<const Corner> corners, std::vector<ScreenVertex>& out) const {
  out.clear();
  const auto put = [&](const Corner& c) {
    const double iz = 1.0 / double(c.p.z);
    out.push_back({centre_x_ + focal_ * c.p.x * iz, centre_y_ - focal_ * c.p.y * iz, iz, c.u, c.v});
  };
  for (std::size_t i = 0; i < corners.size(); ++i) {
    const Corner &a = corners[i], &b = corners[(i + 1) % corners.size()];
    const bool a_in = a.p.z >= kNear_m, b_in = b.p.z >= kNear_m;
    if (a_in) put(a);
    if (a_in != b_in) put(between(a, b));
  }
  return out.size() >= 3;
}

void Stage::polygon(std::span<const Corner> corners, Surface surface) {
  if (!project(corners, scratch_)) return;
  Vec3 normal = normalised(cross(corners[1].p - corners[0].p, corners[2].p - corners[0].p));
  if (dot(normal, corners[0].p) > 0) normal = normal * -1;
  surface.light = lit(normal);
  canvas_.fill(scratch_, surface);
}

void Stage::quad(Vec3 a, Vec3 b, Vec3 c, Vec3 d, const Surface& surface, float u1, float v1) {
  const Corner corners[] = {{a, 0, 0}, {b, u1, 0}, {c, u1, v1}, {d, 0, v1}};
  polygon(corners, surface);
}

void Stage::stick(Vec3 a, Vec3 b, float width_a, float width_b, Surface surface) {
  if (a.z < kNear_m || b.z < kNear_m) return;
  const float dx = b.x / b.z - a.x / a.z, dy = b.y / b.z - a.y / a.z;
  const float length = std::max(1e-6F, std::sqrt(dx * dx + dy * dy));
  const Vec3 side{-dy / length, dx / length, 0};
  // A rod thinner than a sample would come and go along its length.
  const float half_a = 0.5F * std::max(width_a, 0.9F * a.z / focal_);
  const float half_b = 0.5F * std::max(width_b, 0.9F * b.z / focal_);
  const Corner corners[] = {{a - side * half_a, -1, 0},
                            {a + side * half_a, 1, 0},
                            {b + side * half_b, 1, 1},
                            {b - side * half_b, -1, 1}};
  if (!project(corners, scratch_)) return;
  if (surface.material == Material::flat) surface.material = Material::round;
  surface.light = look_->light.ambient + look_->light.sun * 0.55F;
  canvas_.fill(scratch_, surface);
}

void Stage::disc(Vec3 centre, float radius_x, float radius_y, Surface surface) {
  if (centre.z < kNear_m + 0.3F) return;
  const auto corner = [&](float u, float v) {
    return Corner{centre + Vec3{u * radius_x, v * radius_y, 0}, u, v};
  };
  const Corner corners[] = {corner(-1, -1), corner(1, -1), corner(1, 1), corner(-1, 1)};
  if (!project(corners, scratch_)) return;
  if (surface.cutout == Cutout::none) surface.cutout = Cutout::disc;
  surface.light = look_->light.ambient + look_->light.sun * 0.55F;
  canvas_.fill(scratch_, surface);
}

void Stage::patch(Vec3 a, Vec3 b, Vec3 c, Vec3 d, PatchShape shape, PatchKind kind, float strength) {
  const Corner corners[] = {{a, -1, -1}, {b, 1, -1}, {c, 1, 1}, {d, -1, 1}};
  if (!project(corners, scratch_)) return;
  patches_.push_back({scratch_, shape, kind, strength});
}

void Stage::contact_shadow(const Pose& pose, float width_m, float length_m, float height_m) {
  const Frame f = frame(pose);
  if (f.origin.z > 70) return;
  const float w = width_m * 0.5F + 0.22F, l = length_m * 0.5F + 0.22F;
  patch(f.at(-w, 0, -l), f.at(w, 0, -l), f.at(w, 0, l), f.at(-w, 0, l), PatchShape::box, PatchKind::shadow,
        0.75F);
  if (look_->light.shadow < 0.1F) return;
  const float reach = std::min(height_m, 3.0F) / sun_.y;
  const Vec3 fall{-sun_camera_.x * reach, 0, -sun_camera_.z * reach};
  const bool wide = std::abs(dot(fall, f.right)) * length_m > std::abs(dot(fall, f.forward)) * width_m;
  const Vec3 edge = wide ? f.forward * l : f.right * w;
  patch(f.origin - edge, f.origin + edge, f.origin + edge + fall, f.origin - edge + fall, PatchShape::box,
        PatchKind::shadow, look_->light.shadow);
}

}  // namespace driftloop::adapt::streetsim
