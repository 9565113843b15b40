#include "adapt/losses/contrast.h"

#include <limits>

#include "adapt/losses/loss.h"
#include "adapt/selftrain/pseudo_label.h"
#include "config/check.h"
#include "config/label_space.h"

namespace driftloop::adapt {
namespace {

constexpr double kAnchorProbability = 0.3;  // of the teacher for the pixel's class; U2PL
constexpr std::int64_t kLikely = 3;         // classes among which a labelled pixel's wrong ones are; U2PL
constexpr double kEntropyPercent = 20;      // lowest and highest of the unlabelled images; the paper's

/// (P, D) in the order of images, rows, columns.
at::Tensor pixels(const at::Tensor& ndhw) {
  return ndhw.permute({0, 2, 3, 1}).reshape({-1, ndhw.size(1)});
}

at::Tensor class_first(const at::Tensor& nchw) {
  return nchw.transpose(0, 1).reshape({nchw.size(1), -1});
}

/// The places of the pixels numbered `rank` among those that `mask` marks.
at::Tensor places(const at::Tensor& mask, const at::Tensor& rank) {
  return at::searchsorted(mask.cumsum(0), rank + 1);
}

at::Tensor unit(const at::Tensor& nd) {
  return nd / nd.norm(2, {-1}, true).clamp_min(1e-12);
}

/// InfoNCE of (Q, D) anchors against one positive (D) and (Q, M, D) negatives.
at::Tensor info_nce(const at::Tensor& anchor, const at::Tensor& positive, const at::Tensor& negative,
                    double temperature) {
  const auto a = unit(anchor);
  const auto like = at::matmul(a, unit(positive)).unsqueeze(1);
  const auto unlike = at::matmul(unit(negative), a.unsqueeze(2)).squeeze(2);
  return -torch::log_softmax(at::cat({like, unlike}, 1) / temperature, 1).select(1, 0).mean();
}

/// By nearest neighbour, (N, H, W) -> (N, h, w).
at::Tensor shrunk(const at::Tensor& map_nhw, std::int64_t height, std::int64_t width) {
  const auto at_index = [&](std::int64_t small, std::int64_t large) {
    const auto index = at::arange(small, map_nhw.options().dtype(at::kLong));
    return (index * large).div(small, "floor");
  };
  return map_nhw.index_select(1, at_index(height, map_nhw.size(1)))
      .index_select(2, at_index(width, map_nhw.size(2)));
}

/// The percentile of the values that `counted` marks, without waiting for the device.
at::Tensor percentile_where(const at::Tensor& values, const at::Tensor& counted, double percent) {
  const auto sorted =
      std::get<0>(values.masked_fill(~counted, std::numeric_limits<float>::infinity()).flatten().sort());
  const auto rank = (counted.sum() - 1).clamp_min(0).to(at::kDouble) * (percent / 100);
  const auto below = rank.floor().to(at::kLong);
  const auto above = rank.ceil().to(at::kLong);
  const auto at_rank = [&](const at::Tensor& k) { return sorted.index_select(0, k.view({1})).squeeze(0); };
  const auto low = at_rank(below).to(at::kDouble), high = at_rank(above).to(at::kDouble);
  return low + (rank - below) * (high - low);
}

at::Tensor random_draw(std::int64_t of, std::int64_t count, torch::Device device) {
  return at::randint(of, {count}, at::TensorOptions(at::kLong).device(device));
}

class Contrast final : public Loss {
 public:
  Contrast(const ContrastOptions& options, torch::Device device)
      : options_(options), bank_(capacities(options.bank)), device_(device) {}

  Outputs wants() const override { return Outputs::representation; }
  TeacherSees teacher_sees() const override { return TeacherSees::all; }
  at::Tensor value(const StepContext& context) override {
    if (!context.source.present() && !context.target.present() && !context.unlabelled.present()) return {};
    return contrast_loss(input_of(context), options_, bank_, random_draw);
  }
  void save(TensorFile& file) const override { bank_.save(kPrefix, file); }
  void load(const TensorFile& file) override { bank_.load(kPrefix, file, device_); }
  std::int64_t stored_bytes() const override { return bank_.stored_bytes(); }
  void forget_nets() override { bank_.clear(); }

 private:
  static constexpr const char* kPrefix = "loss.contrast.";

  static std::vector<std::int64_t> capacities(std::int64_t each) {
    std::vector<std::int64_t> capacity(config::kClasses, each);
    capacity[0] = each * 5 / 3;  // as published: 50,000 beside 30,000
    return capacity;
  }

  static ContrastInput input_of(const StepContext& context) {
    const auto& rep = context.output.representation_nchw;
    DL_CHECK(rep.defined() && context.teacher.representation_nchw.defined());
    const std::int64_t height = rep.size(2), width = rep.size(3);
    ContrastInput input{.student_ndhw = rep,
                        .teacher_ndhw = context.teacher.representation_nchw,
                        .prob_nchw = {},
                        .label_nhw = {},
                        .low_nhw = {},
                        .high_nhw = {},
                        .labelled_images = 0};
    input.prob_nchw =
        torch::softmax(upsample(context.teacher.logits_nchw, height, width, context.teacher.corners), 1);
    std::vector<at::Tensor> labels;
    for (const auto* part : {&context.source, &context.target})
      if (part->present()) labels.push_back(shrunk(part->label_nhw, height, width));
    for (const auto& label : labels) input.labelled_images += label.size(0);
    const auto& pseudo = context.unlabelled.pseudo;
    if (context.unlabelled.present()) labels.push_back(shrunk(pseudo.label_nhw, height, width));
    input.label_nhw = at::cat(labels);
    const auto none = at::zeros_like(input.label_nhw, at::kBool);
    input.low_nhw = none;
    input.high_nhw = none.clone();
    if (!context.unlabelled.present()) return input;
    const auto in_image = shrunk(pseudo.confidence_nhw, height, width) > 0;
    auto label = input.label_nhw.slice(0, input.labelled_images);
    const auto kept = label != static_cast<std::int64_t>(config::kIgnore);
    // What was dropped for being unsure is where negatives come from: it counts as what the teacher says.
    label.copy_(at::where(in_image & ~kept,
                          std::get<1>(input.prob_nchw.slice(0, input.labelled_images).max(1)), label));
    const auto entropy = pseudo_label_entropy(input.prob_nchw.slice(0, input.labelled_images));
    const auto low = percentile_where(entropy, in_image, kEntropyPercent),
               high = percentile_where(entropy, in_image, 100 - kEntropyPercent);
    input.low_nhw.slice(0, input.labelled_images).copy_(kept & (entropy <= low));
    input.high_nhw.slice(0, input.labelled_images).copy_(in_image & (entropy >= high));
    return input;
  }

  ContrastOptions options_;
  ContrastBank bank_;
  torch::Device device_;
};

}  // namespace

ContrastPixels contrast_pixels(const ContrastInput& input) {
  const torch::NoGradGuard no_grad;
  const auto& prob = input.prob_nchw;
  const std::int64_t classes = prob.size(1);
  const auto known = input.label_nhw != static_cast<std::int64_t>(config::kIgnore);
  auto is_labelled = at::zeros({prob.size(0), 1, 1}, known.options());
  is_labelled.slice(0, 0, input.labelled_images).fill_(true);
  const auto of_class =
      input.label_nhw.unsqueeze(1) == at::arange(classes, input.label_nhw.options()).view({1, classes, 1, 1});
  const auto likely = at::zeros_like(prob, at::kBool).scatter_(1, std::get<1>(prob.topk(kLikely, 1)), true);
  const auto reliable = of_class & (is_labelled | input.low_nhw).unsqueeze(1);
  const auto wrong = (is_labelled & known).unsqueeze(1) & ~of_class & likely;
  const auto strange = (~is_labelled & known & input.high_nhw).unsqueeze(1) & ~likely;

  ContrastPixels result;
  result.reliable = class_first(reliable);
  result.anchor = class_first(reliable & (prob > kAnchorProbability));
  result.negative = class_first(wrong | strange);
  const auto feature = pixels(input.teacher_ndhw);
  const auto weight = result.reliable.to(feature.scalar_type());
  result.centre_cd = at::matmul(weight, feature) / weight.sum(1, true).clamp_min(1);
  return result;
}

at::Tensor contrast_loss(const ContrastInput& input, const ContrastOptions& options, ContrastBank& bank,
                         const ContrastDraw& draw) {
  const auto pixel = contrast_pixels(input);
  const auto device = input.student_ndhw.device();
  const auto teacher = pixels(input.teacher_ndhw).detach(), student = pixels(input.student_ndhw);
  const auto counts =
      at::stack({pixel.reliable.sum(1), pixel.anchor.sum(1), pixel.negative.sum(1)}).cpu().contiguous();
  const auto count = counts.accessor<std::int64_t, 2>();
  const auto classes = static_cast<int>(input.prob_nchw.size(1));
  auto sum = student.sum() * 0;
  int present = 0;
  for (int c = 0; c < classes; ++c) {
    if (count[2][c] > 0) {
      const auto rank = at::arange(count[2][c], at::TensorOptions(at::kLong).device(device));
      bank.push(c, teacher.index_select(0, places(pixel.negative[c], rank)));
    }
    present += count[0][c] > 0;
    if (count[0][c] == 0 || count[1][c] == 0 || bank.size(c) == 0) continue;
    const auto anchor =
        student.index_select(0, places(pixel.anchor[c], draw(count[1][c], options.queries, device)));
    const std::int64_t negatives = static_cast<std::int64_t>(options.queries) * options.negatives;
    const auto negative = bank.features(c, draw(bank.size(c), negatives, device))
                              .view({options.queries, options.negatives, -1});
    sum = sum + info_nce(anchor, pixel.centre_cd[c], negative, options.temperature);
  }
  return present < 2 ? student.sum() * 0 : sum / present;
}

std::unique_ptr<Loss> make_contrast_loss(const LossSettings& settings) {
  return std::make_unique<Contrast>(settings.selftrain.contrast, settings.device);
}

}  // namespace driftloop::adapt
