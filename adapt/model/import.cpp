#include "adapt/model/import.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "adapt/files/pth.h"
#include "adapt/model.h"
#include "adapt/model/placed_net.h"
#include "adapt/out_of_memory.h"
#include "config/check.h"

namespace driftloop::adapt {
namespace {

// What holds a net inside a checkpoint, the likelier first; then what wrappers put before each name.
constexpr std::array<std::string_view, 5> kParts = {"model_state.", "state_dict.", "model.", "teacher_state.",
                                                    "student."};
constexpr std::array<std::string_view, 3> kWrappers = {"module.", "_orig_mod.", "net."};

std::string text_of(at::IntArrayRef sizes) {
  std::ostringstream text;
  for (std::size_t i = 0; i < sizes.size(); ++i) text << (i == 0 ? "" : "x") << sizes[i];
  return sizes.empty() ? "1" : text.str();
}

std::string without_wrappers(std::string name) {
  for (bool again = true; again;) {
    again = false;
    for (const auto wrapper : kWrappers)
      if (name.starts_with(wrapper)) {
        name.erase(0, wrapper.size());
        again = true;
      }
  }
  return name;
}

/// The tensors of one net of the file, by the names that the net's author gave: pointers into `content`.
std::map<std::string, const std::pair<const std::string, at::Tensor>*> net_in(const TensorFile& content,
                                                                              const std::string& part) {
  const auto any_with = [&](std::string_view prefix) {
    return std::any_of(content.tensors.begin(), content.tensors.end(),
                       [&](const auto& item) { return item.first.starts_with(prefix); });
  };
  std::string prefix = part.empty() ? "" : part + '.';
  if (part.empty())
    for (const auto candidate : kParts)
      if (prefix.empty() && any_with(candidate)) prefix = candidate;
  if (!part.empty() && !any_with(prefix)) throw Error("it has no part '" + part + "'");
  std::map<std::string, const std::pair<const std::string, at::Tensor>*> found;
  for (const auto& item : content.tensors)
    if (item.first.starts_with(prefix))
      found.emplace(without_wrappers(item.first.substr(prefix.size())), &item);
  return found;
}

ImportReport take(const TensorFile& content, const std::string& part, SegmentationNet& net) {
  const torch::NoGradGuard no_grad;
  const auto theirs = net_in(content, part);
  std::set<std::string> used;
  ImportReport report;
  const auto take_one = [&](const std::string& name, at::Tensor value) {
    auto found = theirs.find(name);
    constexpr std::string_view kEncoder = "encoder.";
    if (found == theirs.end() && name.starts_with(kEncoder))
      found = theirs.find(name.substr(kEncoder.size()));
    if (found == theirs.end()) return report.missing.push_back(name);
    const auto& [stored_name, stored] = *found->second;
    used.insert(stored_name);
    if (stored.sizes() != value.sizes())
      return report.other_shape.push_back(name + ": " + text_of(stored.sizes()) + " there, " +
                                          text_of(value.sizes()) + " in the net");
    value.copy_(stored);
    report.matched.push_back(name);
  };
  for (const auto& item : net.named_parameters()) take_one(item.key(), item.value());
  for (const auto& item : net.named_buffers()) take_one(item.key(), item.value());
  for (const auto& [name, tensor] : content.tensors)
    if (!used.contains(name)) report.unused.push_back(name);
  return report;
}

}  // namespace

WeightsContent inspect_weights(const std::filesystem::path& file) {
  return needing_memory("read " + file.string(), torch::kCPU, [&] {
    const TensorFile content = read_weights(file);
    WeightsContent told;
    for (const auto& [name, tensor] : content.tensors)
      told.tensors.push_back({name, std::string(tensor.dtype().name()), tensor.sizes().vec()});
    told.metadata.assign(content.metadata.begin(), content.metadata.end());
    return told;
  });
}

ImportReport import_weights(const ImportRequest& request, const std::filesystem::path& to) {
  return needing_memory("convert " + request.from.string(), torch::kCPU, [&] {
    const TensorFile content = read_weights(request.from);
    const Model model(request.spec, {.device = "cpu"}, request.seed);
    ImportReport report;
    try {
      report = take(content, request.part, model.placed()->net());
    } catch (const Error& error) {
      throw Error(request.from.string() + ": " + error.what());
    }
    if (report.matched.empty())
      throw Error(request.from.string() + " holds nothing of the net " + request.spec.net.name +
                  ": it begins with '" + content.tensors.begin()->first + "', the net with '" +
                  report.missing.front() + "'; is it of another net?");
    model.placed()->touched();
    model.save(to);
    return report;
  });
}

}  // namespace driftloop::adapt
