// `driftloop weights`: what is in a weights file, and published weights made into one of ours.
#include <cstdio>
#include <memory>

#include "adapt/model/import.h"
#include "config/check.h"
#include "config/layers.h"
#include "daemon/commands/commands.h"

namespace driftloop::daemon {
namespace {

constexpr std::size_t kShownNames = 10;  // of a list, without --all

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text;
  for (const auto side : shape) text += (text.empty() ? "" : " x ") + std::to_string(side);
  return text.empty() ? "one number" : text;
}

int inspect(const std::string& file, bool all) {
  const auto content = adapt::inspect_weights(file);
  std::int64_t elements = 0;
  for (const auto& tensor : content.tensors) {
    std::int64_t count = 1;
    for (const auto side : tensor.shape) count *= side;
    elements += count;
  }
  std::printf("%s: %zu tensors, %.2f million numbers\n", file.c_str(), content.tensors.size(),
              static_cast<double>(elements) / 1e6);
  for (const auto& [key, value] : content.metadata)
    std::printf("  %s: %s\n", key.c_str(), value.substr(0, value.find('\n')).c_str());
  std::size_t shown = 0;
  for (const auto& tensor : content.tensors) {
    if (!all && shown++ == kShownNames) {
      std::printf("  ... and %zu more (--all shows them)\n", content.tensors.size() - kShownNames);
      break;
    }
    std::printf("  %-60s %-10s %s\n", tensor.name.c_str(), tensor.type.c_str(),
                shape_text(tensor.shape).c_str());
  }
  return 0;
}

void print_names(const char* what, const std::vector<std::string>& names, bool all) {
  if (names.empty()) return;
  std::printf("%zu %s\n", names.size(), what);
  const std::size_t count = all ? names.size() : std::min(names.size(), kShownNames);
  for (std::size_t i = 0; i < count; ++i) std::printf("  %s\n", names[i].c_str());
  if (count < names.size()) std::printf("  ... and %zu more (--all shows them)\n", names.size() - count);
}

struct ConvertArguments {
  std::string from, to, part, label_space = "cityscapes19";
  std::vector<std::string> sets;
  int work_long_side_px = 0;
  std::uint64_t seed = 1;
  bool all = false;
};

int convert(const ConvertArguments& arguments) {
  adapt::ModelSpec spec;
  spec.label_space = arguments.label_space;
  spec.work_long_side_px = arguments.work_long_side_px;
  spec.net.name = "efficientnet_lite0";
  spec.net.output_stride = 16;
  config::Layers("", "", arguments.sets).apply(spec.net);
  const auto report =
      adapt::import_weights({arguments.from, spec, arguments.seed, arguments.part}, arguments.to);
  std::printf("%zu tensors of %s taken into %s\n", report.matched.size(), spec.net.name.c_str(),
              arguments.to.c_str());
  print_names("of the net are not in the file: they begin fresh", report.missing, arguments.all);
  print_names("have another shape there: they begin fresh", report.other_shape, arguments.all);
  print_names("of the file are of no use here", report.unused, arguments.all);
  return 0;
}

}  // namespace

Run add_weights(CLI::App& app) {
  auto* command = app.add_subcommand(
      "weights", "look into weights files (.safetensors, .pth) and convert published ones");
  command->require_subcommand(1);
  struct Arguments {
    std::string file;
    bool all = false;
    ConvertArguments convert;
  };
  auto arguments = std::make_shared<Arguments>();
  auto* look = command->add_subcommand("inspect", "names, types and shapes of the tensors in a file");
  look->add_option("file", arguments->file, ".safetensors, or .pth of PyTorch (nothing in it is executed)")
      ->required();
  look->add_flag("--all", arguments->all, "every tensor");
  auto* make =
      command->add_subcommand("convert", "make a file that driftloop starts from, and say what matched");
  auto& c = arguments->convert;
  make->add_option("from", c.from, ".safetensors or .pth: a whole net, or a backbone alone")->required();
  make->add_option("to", c.to, "the .safetensors file to write")->required();
  make->add_option("--set", c.sets,
                   "a setting of the net (engine.model): name=deeplabv3plus_r101 (repeatable)")
      ->allow_extra_args(false);
  make->add_option("--part", c.part, "of a checkpoint with several nets: teacher_state, for example");
  make->add_option("--label-space", c.label_space, "of the net's classes")->capture_default_str();
  make->add_option("--work-long-side", c.work_long_side_px,
                   "long side the net works at, px; 0 = as images are")
      ->capture_default_str()
      ->check(CLI::Range(0, 8192));
  make->add_option("--seed", c.seed, "of what begins fresh")->capture_default_str();
  make->add_flag("--all", c.all, "every name");
  return [arguments, look] {
    return look->parsed() ? inspect(arguments->file, arguments->all) : convert(arguments->convert);
  };
}

}  // namespace driftloop::daemon
