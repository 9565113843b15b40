#include "adapt/data/streetsim/streetsim.h"

#include <opencv2/core.hpp>
#include <sstream>

#include "adapt/data/streetsim/develop.h"
#include "adapt/data/streetsim/scene.h"
#include "config/check.h"

namespace driftloop::adapt {
namespace {

using namespace streetsim;

constexpr int kMinWidth = 64, kMinHeight = 48, kMaxSide = 4096;
constexpr double kMinSpeed_m = 0.01, kMaxSpeed_m = 1000;

void require(bool fine, const char* key, double value, double low, double high) {
  if (fine) return;
  std::ostringstream text;
  text << "streetsim: " << key << " is " << value << "; give " << low << " to " << high;
  throw Error(text.str());
}

void draw_street(Stage& stage) {
  const Plan& plan = stage.plan();
  const std::int64_t first = plan.block_at(stage.origin_z()),
                     last = plan.block_at(stage.origin_z() + kSight_m);
  draw_traffic(stage);
  for (std::int64_t i = first; i <= last; ++i) {
    const Block block = plan.block(i);
    draw_crossing(stage, block);
    for (float sign : {-1.0F, 1.0F}) {
      const Side side{&block, sign};
      draw_parked(stage, side);
      draw_furniture(stage, side);
      draw_greenery(stage, side);
      draw_buildings(stage, side);
    }
  }
  draw_walkers(stage);
  for (std::int64_t i = first; i <= last; ++i) draw_ground(stage, plan.block(i));
  draw_skyline(stage);
}

}  // namespace

struct Streetsim::Impl {
  StreetsimOptions options;
  Look look;
  Plan plan;
  explicit Impl(const StreetsimOptions& o)
      : options(o),
        look(config::find_entry(look_table(), o.look, "streetsim look").make()),
        plan(look, o.seed) {}
};

void describe(config::Fields& fields, StreetsimOptions& o) {
  fields.field("width", o.width, {kMinWidth, kMaxSide}, "picture width in pixels");
  fields.field("height", o.height, {kMinHeight, kMaxSide}, "picture height in pixels");
  fields.choice("look", o.look, streetsim_looks(), "country and weather of the scenes");
  fields.field("seed", o.seed, {}, "another seed is another town");
  fields.field("speed_m", o.speed_m, {kMinSpeed_m, kMaxSpeed_m}, "metres the camera moves per frame");
}

std::vector<std::string> streetsim_looks() {
  std::vector<std::string> names;
  for (const auto& entry : look_table()) names.emplace_back(entry.name);
  return names;
}

Streetsim::Streetsim(const StreetsimOptions& o) {
  require(o.width >= kMinWidth && o.width <= kMaxSide, "width", o.width, kMinWidth, kMaxSide);
  require(o.height >= kMinHeight && o.height <= kMaxSide, "height", o.height, kMinHeight, kMaxSide);
  require(o.speed_m >= kMinSpeed_m && o.speed_m <= kMaxSpeed_m, "speed_m", o.speed_m, kMinSpeed_m,
          kMaxSpeed_m);
  impl_ = std::make_unique<Impl>(o);
}
Streetsim::~Streetsim() = default;
Streetsim::Streetsim(Streetsim&&) noexcept = default;
Streetsim& Streetsim::operator=(Streetsim&&) noexcept = default;

const StreetsimOptions& Streetsim::options() const {
  return impl_->options;
}

StreetFrame Streetsim::frame(std::int64_t index) const {
  const StreetsimOptions& o = impl_->options;
  Stage stage(impl_->look, impl_->plan, double(index) * o.speed_m, o.width * kSamples, o.height * kSamples);
  draw_street(stage);
  Exposed exposed = expose(stage, o.width, o.height);
  const cv::Mat label = exposed.label;
  return {develop(stage, std::move(exposed), std::uint64_t(index)), label};
}

}  // namespace driftloop::adapt
