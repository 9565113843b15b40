// Region scores and picks, each beside the way it must not be done (`peer:conv`: convolutions and repeated
// arg-max, as the published code does it), so that one run gives the ratio.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "adapt/acquisition/cover.h"
#include "adapt/acquisition/pick.h"
#include "adapt/acquisition/pixel_maps.h"
#include "adapt/acquisition/region_score.h"
#include "adapt/acquisition/ripu.h"
#include "adapt/acquisition/strategy.h"
#include "daemon/process_settings.h"

namespace driftloop::adapt {
namespace {

constexpr int kClassesHere = 19;
constexpr double kRatio = 0.01;  // share of the frame that is picked

struct Size {
  int height, width;
};

at::Tensor probabilities(Size size, at::Device device) {
  at::manual_seed(1);
  const auto coarse = 3 * at::randn({1, kClassesHere, size.height / 16, size.width / 16});
  return at::upsample_bilinear2d(coarse, {size.height, size.width}, true)
      .softmax(1)[0]
      .contiguous()
      .to(device);
}

std::int64_t pick_count(Size size, int side) {
  return static_cast<std::int64_t>(
      std::ceil(size.height * static_cast<double>(size.width) * kRatio / (side * side)));
}

at::Tensor conv_score(const at::Tensor& prob_chw, int side) {
  const auto one_hot =
      at::one_hot(prob_chw.argmax(0), kClassesHere).permute({2, 0, 1}).to(at::kFloat).unsqueeze(0);
  const auto entropy = normalised_entropy(prob_chw).unsqueeze(0).unsqueeze(0);
  const auto ones = at::ones({1, 1, side, side}, prob_chw.options());
  const int pad = side / 2;
  const auto sums = at::conv2d(one_hot, ones.repeat({kClassesHere, 1, 1, 1}), {}, 1, pad, 1, kClassesHere);
  const auto count = sums.sum(1, true);
  const auto share = sums / count;
  const auto impurity = -(share * (share + 1e-6).log()).sum(1, true) / std::log(kClassesHere);
  return (impurity * at::conv2d(entropy, ones, {}, 1, pad) / count)[0][0];
}

std::int64_t argmax_picks(at::Tensor score, int side, std::int64_t count) {
  const auto width = score.size(1);
  std::int64_t taken = 0;
  for (; taken < count; ++taken) {
    const auto best = score.argmax().item<std::int64_t>();
    const auto y = best / width;
    const auto x = best % width;
    if (std::isinf(score[y][x].item<float>())) break;
    score.slice(0, std::max<std::int64_t>(0, y - side + 1), y + side)
        .slice(1, std::max<std::int64_t>(0, x - side + 1), x + side)
        .fill_(-std::numeric_limits<float>::infinity());
  }
  return taken;
}

struct Case {
  Size size;
  int side;
  at::Device device;
};

/// Registers one line of the table; `prepare(case)` makes its input outside the timing, `step(input)` is
/// timed.
template <class Prepare, class Step>
void add(const std::string& name, const Case& c, Prepare prepare, Step step) {
  const auto body = [=](benchmark::State& state) {
    const auto input = prepare(c);
    for (auto _ : state) benchmark::DoNotOptimize(step(input));
    state.SetItemsProcessed(state.iterations() * c.size.height * c.size.width);  // pixels
  };
  benchmark::RegisterBenchmark(name.c_str(), body)->Unit(benchmark::kMillisecond);
}

void add_size(Size size, int radius, at::Device device) {
  const Case c{size, 2 * radius + 1, device};
  const auto tail = '/' + std::to_string(size.height) + 'x' + std::to_string(size.width) +
                    "/radius:" + std::to_string(radius);
  const std::string score_name = std::string("region_score") + (device.is_cuda() ? "_cuda" : "") + tail;
  const auto prob = [](const Case& k) { return probabilities(k.size, k.device); };
  const auto map = [](const Case& k) {
    return region_score(probabilities(k.size, k.device), k.side, Border::clipped).score;
  };
  const int side = c.side;
  const auto count = pick_count(size, side);
  // On a CPU the naive peers would take minutes for large windows on large frames: no peer there.
  const bool peer =
      device.is_cuda() || static_cast<std::int64_t>(size.height) * size.width * side * side < 800'000'000;

  add(score_name, c, prob, [side](const at::Tensor& p) { return region_score(p, side, Border::clipped); });
  if (peer)
    add(score_name + "/peer:conv", c, prob,
        [side](const at::Tensor& p) { return conv_score(p, side).to(at::kCPU); });
  if (device.is_cuda()) return;  // picks are the CPU's work in every build
  const auto limits = PickLimits{.apart = side, .count = count};
  add("region_pick" + tail, c, map, [limits](const at::Tensor& s) { return greedy_picks(s, {}, limits); });
  if (peer)
    add("region_pick" + tail + "/peer:conv", c, map,
        [=](const at::Tensor& s) { return argmax_picks(s.clone(), side, count); });
}

/// One frame of which the net's logits are known (stride 4), or only what LibTorch makes of them.
class OneFrame : public PoolView {
 public:
  explicit OneFrame(Size size, bool by_libtorch) : size_(size.width, size.height), by_libtorch_(by_libtorch) {
    at::manual_seed(1);
    // Cells of 16 px of any class: every window of a radius of 32 sees all of them.
    seen_.logits_chw =
        at::upsample_bilinear2d(3 * at::randn({1, kClassesHere, size.height / 16, size.width / 16}),
                                {size.height / 4, size.width / 4}, false)[0]
            .contiguous();
    seen_.corners = Corners::not_aligned;
    seen_.frame_px = size_;
    seen_.feature_dhw = at::randn({64, size.height / 8, size.width / 8});
  }
  std::size_t size() const override { return 1; }
  const std::string& frame_id(std::size_t) const override { return id_; }
  const std::string& group(std::size_t) const override { return id_; }
  cv::Size frame_size(std::size_t) const override { return size_; }
  cv::Mat taken(std::size_t) const override { return {}; }
  std::optional<Prediction> predict(std::size_t, Want) override {
    Prediction seen = seen_;
    if (by_libtorch_) {
      seen.prob_chw = probabilities(seen_);
      seen.logits_chw.reset();
    }
    return seen;
  }

 private:
  std::string id_ = "frame";
  cv::Size size_;
  bool by_libtorch_;
  Prediction seen_;
};

/// A strategy's whole work on one frame of 1024x2048, from the net's logits to its best region (image_* : to
/// the image's score); the peer makes probabilities by LibTorch first.
void add_strategy(const std::string& name, int radius) {
  config::Chosen strategy(name);
  if (name == "ripu_pixel") strategy = config::Chosen(name, RipuPixelOptions{.radius_px = radius});
  if (name == "cover")  // the clusters are not what is measured
    strategy = config::Chosen(name, CoverOptions{.fit_tiles = 1});
  for (const bool by_libtorch : {false, true}) {
    const auto body = [=](benchmark::State& state) {
      at::set_num_threads(1);
      OneFrame pool({1024, 2048}, by_libtorch);
      SelectRequest request;
      request.region_px = 2 * radius + 1;
      request.budget = {.pixels = std::int64_t{1} << 40, .regions = 1};
      for (auto _ : state) benchmark::DoNotOptimize(make_strategy(strategy)->select(pool, request));
    };
    const auto title = "choose_in_frame/" + name + "/radius:" + std::to_string(radius) +
                       (by_libtorch ? "/peer:libtorch" : "");
    benchmark::RegisterBenchmark(title.c_str(), body)->Unit(benchmark::kMillisecond);
  }
}

/// The maps that strategies rank by, without the choice.
void add_scores(int radius) {
  for (const bool by_libtorch : {false, true}) {
    const auto tail = "/1024x2048/radius:" + std::to_string(radius) + (by_libtorch ? "/peer:libtorch" : "");
    const auto add_map = [&](const std::string& name, auto step) {
      const auto body = [=](benchmark::State& state) {
        at::set_num_threads(1);
        const Prediction seen = *OneFrame({1024, 2048}, false).predict(0, Want::probabilities);
        for (auto _ : state) {
          Prediction given = seen;
          if (by_libtorch) {
            given.prob_chw = probabilities(seen);
            given.logits_chw.reset();
          }
          benchmark::DoNotOptimize(step(given));
        }
      };
      benchmark::RegisterBenchmark(("score/" + name + tail).c_str(), body)->Unit(benchmark::kMillisecond);
    };
    const int side = 2 * radius + 1;
    add_map("ripu", [side](const Prediction& p) { return score_alone(p, side, Border::clipped); });
    add_map("entropy", [side](const Prediction& p) {
      return window_mean(pixel_maps(p, Map::entropy).entropy_hw, side, Border::inside);
    });
    add_map("margin", [side](const Prediction& p) {
      return window_mean(pixel_maps(p, Map::margin).margin_hw, side, Border::inside);
    });
    add_map("tile_classes", [side](const Prediction& p) { return tile_classes(p, {{2048, 1024}, side}); });
  }
}

}  // namespace

void register_region_benchmarks() {
  for (const auto device : {at::Device(at::kCPU), at::Device(at::kCUDA)}) {
    if (device.is_cuda() && !at::hasCUDA()) continue;
    for (const Size size : {Size{192, 320}, Size{360, 480}, Size{1024, 2048}})
      for (const int radius : {1, 4, 32}) add_size(size, radius, device);
  }
  for (const int radius : {1, 32}) {
    add_scores(radius);
    for (const auto& strategy : strategy_choices()) add_strategy(std::string(strategy.name), radius);
  }
}

}  // namespace driftloop::adapt

int main(int argc, char** argv) {
  driftloop::daemon::restart_for_training(argv);  // as `driftloop bench` runs
  const c10::NoGradGuard no_grad;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  driftloop::adapt::register_region_benchmarks();
  benchmark::RunSpecifiedBenchmarks();
}
