// `driftloop data`: rendered drives, and what is wrong with a data set before hours are spent on it.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <thread>

#include "adapt/data/dataset.h"
#include "adapt/data/dataset_check.h"
#include "adapt/data/streetsim/streetsim.h"
#include "config/check.h"
#include "config/label_space.h"
#include "daemon/commands/commands.h"
#include "daemon/progress.h"

namespace driftloop::daemon {
namespace {

struct DriveArguments {
  adapt::StreetsimOptions scene;
  std::string out;
  int frames = 100;
  int stride = 1;
};

int render_drive(const DriveArguments& arguments) {
  ProgressLine line;
  adapt::WriteDriveOptions options;
  options.count = arguments.frames;
  options.stride = arguments.stride;
  options.progress = [&](std::int64_t done, std::int64_t total) {
    line.show(static_cast<double>(done) / static_cast<double>(total), "rendering");
  };
  adapt::write_drive(adapt::Streetsim(arguments.scene), arguments.out, options);
  line.finish(std::to_string(arguments.frames) + " frames in " + arguments.out);
  return 0;
}

struct CheckArguments {
  std::string data, split;
  bool decode = false, all = false;
};

/// "kind:argument" of a text that may be a folder alone.
std::string spec_of(const std::string& data) {
  if (!std::filesystem::is_directory(data)) return data;
  const auto kinds = adapt::kinds_in(data);
  if (kinds.size() == 1) return kinds.front() + ':' + data;
  std::string names;
  for (const auto& kind : kinds) names += (names.empty() ? "" : " or ") + kind + ':' + data;
  if (!kinds.empty()) throw Error(data + " could be several data sets: write " + names);
  throw Error(data + " looks like none of the data sets ('driftloop data check --help' lists them)");
}

std::string counted(std::size_t count, const char* what) {
  return std::to_string(count) + ' ' + what + (count == 1 ? "" : "s");
}

void print_shares(const adapt::SplitCheck& check, const config::LabelSpace& space) {
  std::int64_t labelled = 0;
  for (const auto pixels : check.pixels) labelled += pixels;
  if (labelled == 0) return;
  const auto& names = config::class_names();
  std::printf("  classes, %% of the labelled pixels (%.1f %% of all pixels are ignored):\n",
              100 * static_cast<double>(check.ignored) / static_cast<double>(labelled + check.ignored));
  for (const int id : space.scored) {
    const auto c = static_cast<std::size_t>(id);
    std::printf("    %-14s %6.2f%s\n", std::string(names[c]).c_str(),
                100 * static_cast<double>(check.pixels[c]) / static_cast<double>(labelled),
                check.pixels[c] == 0 ? "  none" : "");
  }
}

void print_split(const adapt::SplitCheck& check, const config::LabelSpace& space, bool all) {
  constexpr std::size_t kShown = 10;
  std::printf("%s%s%s", check.split.c_str(), check.split.empty() ? "" : ": ",
              counted(check.images, "image").c_str());
  if (check.groups.size() > 1) std::printf(" in %s", counted(check.groups.size(), "group").c_str());
  for (const auto& [size, images] : check.sizes)
    if (check.sizes.size() <= 3) std::printf(", %s of %s", std::to_string(images).c_str(), size.c_str());
  if (check.sizes.size() > 3) std::printf(", of %zu sizes", check.sizes.size());
  std::printf("\n");
  print_shares(check, space);
  if (check.problems.empty()) {
    std::printf("  nothing wrong\n");
    return;
  }
  std::printf("  %s:\n", counted(check.problems.size(), "problem").c_str());
  const std::size_t shown = all ? check.problems.size() : std::min(check.problems.size(), kShown);
  for (std::size_t i = 0; i < shown; ++i) std::printf("    %s\n", check.problems[i].c_str());
  if (shown < check.problems.size())
    std::printf("    ... and %zu more (--all shows them)\n", check.problems.size() - shown);
}

int check_data(const CheckArguments& arguments) {
  const std::string spec = spec_of(arguments.data);
  ProgressLine line;
  adapt::DatasetCheckOptions options;
  options.decode_images = arguments.decode;
  options.threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  options.progress = [&](std::size_t done, std::size_t total) {
    line.show(static_cast<double>(done) / static_cast<double>(total), "reading " + spec);
  };
  const auto checks = adapt::check_dataset(spec, arguments.split, options);
  line.finish(spec + " read");
  const auto& space = config::label_space(adapt::dataset_label_space(spec));
  bool good = true;
  for (const auto& check : checks) {
    print_split(check, space, arguments.all);
    good = good && check.problems.empty();
  }
  return good ? 0 : 1;
}

}  // namespace

Run add_data(CLI::App& app) {
  auto* command = app.add_subcommand("data", "render drives, and check data sets");
  command->require_subcommand(1);
  auto* drive = command->add_subcommand(
      "drive", "render a streetsim drive: images/ and labels/ (trainIds), a folder: data set");
  struct Arguments {
    DriveArguments drive;
    CheckArguments check;
  };
  auto arguments = std::make_shared<Arguments>();
  auto& d = arguments->drive;
  std::string looks = "one of:";
  for (const auto& look : adapt::streetsim_looks()) looks += ' ' + look;
  drive->add_option("--out", d.out, "folder to write")->required();
  drive->add_option("--look", d.scene.look, looks)->capture_default_str();
  drive->add_option("--frames", d.frames, "how many")->capture_default_str()->check(CLI::Range(1, 1'000'000));
  drive->add_option("--stride", d.stride, "drive frames between two of them")
      ->capture_default_str()
      ->check(CLI::Range(1, 100'000));
  drive->add_option("--seed", d.scene.seed, "of the town")->capture_default_str();
  drive->add_option("--width", d.scene.width, "px")->capture_default_str();
  drive->add_option("--height", d.scene.height, "px")->capture_default_str();
  auto* look = command->add_subcommand(
      "check",
      "count the images of a data set, its sizes and classes, and name every missing, unreadable or "
      "wrong file; exit status 1 when there is one");
  auto& c = arguments->check;
  look->add_option("data", c.data, "a folder, or kind:argument, for example cityscapes:/data/cityscapes")
      ->required();
  look->add_option("--split", c.split, "only this one, for example val");
  look->add_flag("--decode", c.decode,
                 "decode each image, too, not only its label (slow, finds cut-off files)");
  look->add_flag("--all", c.all, "every problem, not the first ten");
  std::string kinds = "Data sets:\n";
  for (const auto& line : adapt::dataset_kinds()) kinds += "  " + line + '\n';
  kinds +=
      "Behind DIR may stand ?list=FILE (only what a published split list names), ?group=a,b (cities or\n"
      "sequences), ?skip=N, ?first=N, ?sample=N and ?seed=S (drawn), joined by &.\n";
  look->footer(kinds);
  return [arguments, drive] {
    return drive->parsed() ? render_drive(arguments->drive) : check_data(arguments->check);
  };
}

}  // namespace driftloop::daemon
