#include "adapt/eval/norm_estimate.h"

#include "adapt/data/augment.h"
#include "adapt/data/batch.h"
#include "adapt/model/norm.h"
#include "config/random.h"

namespace driftloop::adapt {
namespace {

constexpr std::size_t kBatch = 4;

template <class Use>
void for_each_norm(SegmentationNet& net, const Use& use) {
  for (auto& module : net.modules())
    if (auto* norm = module->as<NormImpl>()) use(*norm);
}

}  // namespace

void estimate_norm(PlacedNet& net, const FramePool& pool, int frames, std::uint64_t seed) {
  const torch::NoGradGuard no_grad;
  auto order = pool.frames();
  config::Random random(seed);
  random.shuffle(order);
  if (order.size() > static_cast<std::size_t>(frames)) order.resize(static_cast<std::size_t>(frames));
  bool begun = false;
  std::vector<cv::Mat> batch;
  const auto run = [&] {
    if (batch.empty()) return;
    if (!begun) for_each_norm(net.net(), [](NormImpl& norm) { norm.begin_estimate(); });
    begun = true;
    net.net().train();
    net.net().run(net.net().normalised(images_to_tensor(batch).to(net.device())), Outputs::main);
    batch.clear();
  };
  for (const auto& frame : order) {
    const cv::Mat image = pool.image_rgb(frame.id);
    if (image.empty()) continue;  // evicted meanwhile
    const cv::Mat sized = to_working_size(net.spec().work_long_side_px, image);
    if (!batch.empty() && batch[0].size() != sized.size()) run();
    batch.push_back(sized);
    if (batch.size() == kBatch) run();
  }
  run();
  for_each_norm(net.net(), [](NormImpl& norm) { norm.end_estimate(); });
  net.net().eval();
  net.touched();
}

}  // namespace driftloop::adapt
