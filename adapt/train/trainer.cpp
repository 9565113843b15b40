#include "adapt/train/trainer.h"

#include <cmath>
#include <cstring>

#include "adapt/selftrain/consistency.h"
#include "adapt/selftrain/pseudo_label.h"
#include "adapt/train/losses.h"
#include "config/check.h"

namespace driftloop::adapt {
namespace {
using torch::indexing::Slice;

constexpr double kGradientLimit = 10;  // norm; only runaway steps are cut

template <class Map, class Use>
void for_each_named(const Map& items, const Use& use) {
  for (const auto& item : items) use(item.key(), item.value());
}

void copy_buffers(const SegmentationNet& source, SegmentationNet& target) {
  torch::NoGradGuard no_grad;
  const auto from = source.named_buffers();
  for (auto& item : target.named_buffers()) item.value().copy_(from[item.key()]);
}

/// The slots of the optimiser's per-parameter state by name, for AdamW or SGD.
template <class Use>
void for_each_state(torch::optim::Optimizer& optimiser, bool adamw, const Use& use) {
  std::size_t number = 0;
  for (auto& group : optimiser.param_groups())
    for (auto& parameter : group.params()) use(std::to_string(number++), parameter, optimiser.state(), adamw);
}

}  // namespace

std::uint64_t mixed_seed(std::uint64_t seed, std::uint64_t step, std::uint64_t use) {
  std::uint64_t x =
      seed * 0x9E3779B97F4A7C15ULL + step * 0xD1B54A32D192ED03ULL + use * 0x8CB92BA72F3D8DD7ULL + 1;
  for (int round = 0; round < 2; ++round) {  // splitmix64's finaliser
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
    x ^= x >> 31;
  }
  return x;
}

void put_net(const SegmentationNet& net, const std::string& prefix, TensorFile& file) {
  const auto put = [&](const std::string& name, const torch::Tensor& value) {
    file.tensors[prefix + name] = value.detach().cpu().contiguous();
  };
  for_each_named(net.named_parameters(), put);
  for_each_named(net.named_buffers(), put);
}

void get_net(const TensorFile& file, const std::string& prefix, const std::filesystem::path& path,
             SegmentationNet& net) {
  torch::NoGradGuard no_grad;
  const auto get = [&](const std::string& name, torch::Tensor value) {
    const auto& stored = file.at(prefix + name, path);
    if (stored.sizes() != value.sizes()) {
      std::ostringstream text;
      text << path.string() << " is of another model: '" << name << "' is " << stored.sizes() << " there and "
           << value.sizes() << " in the configured one; check model.name and model.width";
      throw Error(text.str());
    }
    value.copy_(stored);
  };
  for_each_named(net.named_parameters(), get);
  for_each_named(net.named_buffers(), get);
}

void drop_copies(const std::string& prefix, const std::string& as, TensorFile& file) {
  const auto begin = file.tensors.lower_bound(prefix);
  auto end = begin;
  for (; end != file.tensors.end() && end->first.starts_with(prefix); ++end) {
    const auto other = file.tensors.find(as + end->first.substr(prefix.size()));
    const auto& mine = end->second;
    if (other == file.tensors.end() || other->second.nbytes() != mine.nbytes() ||
        std::memcmp(other->second.const_data_ptr(), mine.const_data_ptr(), mine.nbytes()) != 0)
      return;
  }
  file.tensors.erase(begin, end);
  file.metadata[prefix] = as;
}

std::string stored_prefix(const std::string& prefix, const TensorFile& file) {
  const auto found = file.metadata.find(prefix);
  return found == file.metadata.end() ? prefix : found->second;
}

Trainer::Trainer(const EngineOptions& options, torch::Device device, int classes, std::uint64_t seed)
    : options_(options), device_(device) {
  torch::manual_seed(seed);
  student_ = make_net(options.model, classes);
  teacher_ = make_net(options.model, classes);
  copy_weights(*student_, *teacher_);
  student_->to(device);
  teacher_->to(device);
  for (auto& parameter : teacher_->parameters()) parameter.set_requires_grad(false);
  teacher_->eval();
  optimiser_ = new_optimiser();
}

std::unique_ptr<torch::optim::Optimizer> Trainer::new_optimiser() const {
  const auto backbone = student_->backbone_parameters();
  std::vector<torch::Tensor> heads;
  for (const auto& parameter : student_->parameters()) {
    const bool in_backbone =
        std::any_of(backbone.begin(), backbone.end(), [&](const auto& b) { return b.is_same(parameter); });
    if (!in_backbone) heads.push_back(parameter);
  }
  std::vector<torch::optim::OptimizerParamGroup> groups{torch::optim::OptimizerParamGroup(backbone),
                                                        torch::optim::OptimizerParamGroup(heads)};
  const auto& train = options_.train;
  if (train.optimiser == "adamw")
    return std::make_unique<torch::optim::AdamW>(
        groups, torch::optim::AdamWOptions(train.rate).weight_decay(train.weight_decay));
  return std::make_unique<torch::optim::SGD>(
      groups, torch::optim::SGDOptions(train.rate).momentum(train.momentum).weight_decay(train.weight_decay));
}

void Trainer::set_rates() {
  const auto& train = options_.train;
  double share = 1;
  if (train.horizon_steps > 0) {
    const double left = std::max(0.0, 1 - static_cast<double>(steps_) / train.horizon_steps);
    share = std::max(std::pow(left, train.poly_power), train.min_rate_share);
  }
  auto& groups = optimiser_->param_groups();
  groups[0].options().set_lr(train.rate * share);
  groups[1].options().set_lr(train.rate * share * train.head_rate_factor);
}

torch::Tensor Trainer::supervised(const NetOutput& output, const torch::Tensor& label,
                                  std::int64_t first) const {
  const OhemOptions ohem{options_.train.ohem_threshold, options_.train.ohem_min_kept};
  const auto part = [&](const torch::Tensor& logits) {
    return upsample(logits.index({Slice(first, first + label.size(0))}), label.size(1), label.size(2));
  };
  auto loss = ohem_cross_entropy(part(output.logits_nchw), label, ohem);
  if (options_.train.aux_weight > 0)
    loss = loss + options_.train.aux_weight * ohem_cross_entropy(part(output.aux_nchw), label, ohem);
  return loss;
}

StepLosses Trainer::step(const Batch& batch, std::mt19937_64& random) {
  mend();
  torn_ = true;
  const StepLosses losses = try_step(batch, random);
  torn_ = false;
  return losses;
}

void Trainer::mend() {
  if (!torn_) return;
  optimiser_->zero_grad();
  copy_buffers(*teacher_, *student_);  // the forward pass moved the BN statistics
  torn_ = false;
}

StepLosses Trainer::try_step(const Batch& batch, std::mt19937_64& random) {
  std::vector<torch::Tensor> images;
  std::int64_t count = 0;
  const auto append = [&](const torch::Tensor& image) {
    const std::int64_t first = count;
    if (image.defined()) {
      images.push_back(image.to(device_));
      count += image.size(0);
    }
    return first;
  };
  const std::int64_t source_at = append(batch.source_image), target_at = append(batch.target_image);
  PseudoBatch pseudo;
  std::int64_t unlabelled_at = count;
  if (batch.weak_image.defined()) {
    torch::NoGradGuard no_grad;
    const auto logits = teacher_->run(batch.weak_image.to(device_), Outputs::main).logits_nchw;
    const auto prob = torch::softmax(upsample(logits, batch.weak_image.size(2), batch.weak_image.size(3)), 1);
    const double progress = options_.train.horizon_steps > 0
                                ? std::min(1.0, static_cast<double>(steps_) / options_.train.horizon_steps)
                                : 0;
    const auto labels = make_pseudo_labels(prob, dropped_percent(progress, options_.selftrain.drop_percent),
                                           pseudo_label_rule(options_.selftrain.rule));
    pseudo = {labels.label_nhw, labels.confidence_nhw};
    auto strong = batch.strong_image.to(device_).clone();
    cutmix(strong, pseudo, options_.selftrain.cutmix_share, random);
    unlabelled_at = append(strong);
  }
  DL_CHECK(count > 0);

  set_rates();
  student_->train();
  const auto output = student_->run(torch::cat(images),
                                    options_.train.aux_weight > 0 ? Outputs::main_and_aux : Outputs::main);
  auto total = torch::zeros({}, device_);
  StepLosses losses;
  const auto add = [&](const torch::Tensor& loss, double weight) {
    total = total + weight * loss;
    return weight * loss.item<double>();
  };
  if (batch.source_image.defined())
    losses.source = add(supervised(output, batch.source_label.to(device_), source_at), 1);
  if (batch.target_image.defined())
    losses.target =
        add(supervised(output, batch.target_label.to(device_), target_at), options_.train.target_weight);
  if (batch.weak_image.defined()) {
    const auto logits = output.logits_nchw.index({Slice(unlabelled_at, count)});
    losses.consistency =
        add(consistency_loss(upsample(logits, pseudo.label_nhw.size(1), pseudo.label_nhw.size(2)), pseudo,
                             options_.selftrain.confidence_power),
            options_.selftrain.weight);
  }
  losses.finite = std::isfinite(losses.total());
  if (losses.finite) {
    optimiser_->zero_grad();
    total.backward();
    losses.finite = std::isfinite(torch::nn::utils::clip_grad_norm_(student_->parameters(), kGradientLimit));
  }
  if (losses.finite) {
    ++steps_;  // from here on the weights change
    optimiser_->step();
    move_teacher();
  } else {
    copy_buffers(*teacher_, *student_);  // the forward pass has put what is not finite into the BN statistics
    ++steps_;
  }
  return losses;
}

void Trainer::move_teacher() {
  torch::NoGradGuard no_grad;
  const double decay = std::min(1 - 1 / static_cast<double>(steps_), options_.train.ema_decay);
  const auto from = student_->named_parameters();
  for (auto& item : teacher_->named_parameters()) item.value().lerp_(from[item.key()], 1 - decay);
  copy_buffers(*student_, *teacher_);  // BN statistics follow the student's
}

void Trainer::restart_from(const SegmentationNet& weights) {
  auto fresh = new_optimiser();  // first, because it may find no memory
  copy_weights(weights, *student_);
  copy_weights(weights, *teacher_);
  optimiser_ = std::move(fresh);
  optimiser_->zero_grad();
  torn_ = false;
}

std::int64_t Trainer::state_bytes() const {
  const auto parameters = student_->parameters();
  const std::int64_t weights = stored_bytes(parameters);
  const bool adamw = options_.train.optimiser == "adamw";
  const std::int64_t optimiser =
      adamw ? 2 * weights + stored_bytes({parameters.size(), torch::zeros({1}, torch::kInt64)}) : weights;
  return 2 * (weights + stored_bytes(student_->buffers())) + optimiser;
}

std::int64_t stored_bytes(const std::vector<torch::Tensor>& tensors) {
  constexpr std::int64_t kEntry = 200;  // in the header: name, shape, place
  std::int64_t bytes = 0;
  for (const auto& tensor : tensors) bytes += static_cast<std::int64_t>(tensor.nbytes()) + kEntry;
  return bytes;
}

void Trainer::save(TensorFile& file) const {
  put_net(*student_, "student.", file);
  put_net(*teacher_, "teacher.", file);
  drop_copies("student.", "teacher.", file);
  file.metadata["steps"] = std::to_string(steps_);
  file.metadata["optimiser"] = options_.train.optimiser;
  for_each_state(*optimiser_, options_.train.optimiser == "adamw",
                 [&](const std::string& number, const torch::Tensor& parameter, auto& state, bool adamw) {
                   const auto found = state.find(parameter.unsafeGetTensorImpl());
                   if (found == state.end()) return;
                   const std::string name = "optimiser." + number;
                   if (adamw) {
                     auto& s = static_cast<torch::optim::AdamWParamState&>(*found->second);
                     file.tensors[name + ".mean"] = s.exp_avg().cpu();
                     file.tensors[name + ".square"] = s.exp_avg_sq().cpu();
                     file.tensors[name + ".step"] = torch::tensor({s.step()}, torch::kInt64);
                   } else if (const auto& momentum =
                                  static_cast<torch::optim::SGDParamState&>(*found->second).momentum_buffer();
                              momentum.defined()) {
                     file.tensors[name + ".momentum"] = momentum.cpu();
                   }
                 });
}

void Trainer::load(const TensorFile& file, const std::filesystem::path& path) {
  get_net(file, stored_prefix("student.", file), path, *student_);
  get_net(file, "teacher.", path, *teacher_);
  steps_ = std::stoll(file.metadata.at("steps"));
  optimiser_ = new_optimiser();
  optimiser_->zero_grad();
  torn_ = false;
  if (file.metadata.at("optimiser") != options_.train.optimiser)
    return;  // another optimiser starts without a memory
  for_each_state(*optimiser_, options_.train.optimiser == "adamw",
                 [&](const std::string& number, const torch::Tensor& parameter, auto& state, bool adamw) {
                   const std::string name = "optimiser." + number;
                   const auto tensor = [&](const char* slot) {
                     return file.at(name + slot, path).to(device_).clone();
                   };
                   if (adamw && file.tensors.count(name + ".mean")) {
                     auto s = std::make_unique<torch::optim::AdamWParamState>();
                     s->exp_avg(tensor(".mean"));
                     s->exp_avg_sq(tensor(".square"));
                     s->step(file.at(name + ".step", path).item<std::int64_t>());
                     state[parameter.unsafeGetTensorImpl()] = std::move(s);
                   } else if (!adamw && file.tensors.count(name + ".momentum")) {
                     auto s = std::make_unique<torch::optim::SGDParamState>();
                     s->momentum_buffer(tensor(".momentum"));
                     state[parameter.unsafeGetTensorImpl()] = std::move(s);
                   }
                 });
}

}  // namespace driftloop::adapt
