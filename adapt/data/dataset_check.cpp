#include "adapt/data/dataset_check.h"

#include <atomic>
#include <mutex>
#include <thread>

#include "adapt/data/dataset_table.h"
#include "adapt/data/file_dataset.h"
#include "adapt/data/image_file.h"
#include "config/check.h"

namespace driftloop::adapt {
namespace fs = std::filesystem;
namespace {

std::string size_text(cv::Size size) {
  return std::to_string(size.width) + 'x' + std::to_string(size.height);
}

/// Of one image and its label.
struct FileCheck {
  std::string problem;
  cv::Size size;
  std::array<std::int64_t, 256> pixels{};
};

FileCheck check_file(const LabelledFile& file, bool decode) {
  FileCheck found;
  try {
    const auto stated = decode ? std::nullopt : stated_size_px(file.image);
    found.size = stated ? *stated : read_image_rgb(file.image).size();
    if (!fs::is_regular_file(file.label)) {
      found.problem = file.image.string() + " has no label: expected " + file.label.string();
      return found;
    }
    const cv::Mat label = read_label(file);
    if (label.size() != found.size)
      found.problem = file.image.string() + " is " + size_text(found.size) + " but its label is " +
                      size_text(label.size()) + ": write " + file.label.string() + " again or remove both";
    for (int y = 0; y < label.rows; ++y)
      for (int x = 0; x < label.cols; ++x) ++found.pixels[label.at<std::uint8_t>(y, x)];
  } catch (const Error& error) {
    found.problem = error.what();
  } catch (const std::exception& error) {  // of a library, in a thread of ours
    found.problem = file.image.string() + " with " + file.label.string() + ": " + error.what();
  }
  return found;
}

SplitCheck check_split(const std::string& split, const std::vector<LabelledFile>& files,
                       const DatasetCheckOptions& options) {
  SplitCheck check{
      .split = split, .images = files.size(), .groups = {}, .sizes = {}, .pixels = {}, .problems = {}};
  std::vector<std::string> problems(files.size());
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::size_t done = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < files.size(); i = next++) {
      FileCheck found = check_file(files[i], options.decode_images);
      const std::scoped_lock lock(mutex);
      problems[i] = std::move(found.problem);
      if (found.size.area() > 0) ++check.sizes[size_text(found.size)];
      ++check.groups[files[i].group];
      for (std::size_t c = 0; c < check.pixels.size(); ++c) check.pixels[c] += found.pixels[c];
      check.ignored += found.pixels[config::kIgnore];
      if (options.progress) options.progress(++done, files.size());
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int i = 1; i < options.threads; ++i) threads.emplace_back(work);
    work();
  }
  for (auto& problem : problems)
    if (!problem.empty()) check.problems.push_back(std::move(problem));
  return check;
}

bool has_images(const Layout& layout, const fs::path& root, const std::string& split) {
  try {
    return !layout.list(root, split).empty();
  } catch (const Error&) {
    return false;
  }
}

std::vector<std::string> splits_in(const Layout& layout, const fs::path& root) {
  std::vector<std::string> found;
  if (layout.splits.empty()) return {""};
  for (const auto split : layout.splits)
    if (has_images(layout, root, std::string(split))) found.emplace_back(split);
  if (found.empty()) found.emplace_back(layout.splits.front());  // chosen_files() says what is wrong
  return found;
}

}  // namespace

std::vector<std::string> kinds_in(const fs::path& root) {
  std::vector<std::string> kinds;
  for (const auto& kind : file_kinds()) {
    const auto& splits = kind.layout->splits;
    bool found = splits.empty() && has_images(*kind.layout, root, "");
    for (const auto split : splits) found = found || has_images(*kind.layout, root, std::string(split));
    if (found) kinds.emplace_back(kind.name);
  }
  return kinds;
}

std::vector<SplitCheck> check_dataset(const std::string& spec, const std::string& split,
                                      const DatasetCheckOptions& options) {
  const FileSpec files = file_spec(spec);
  std::vector<std::string> splits{split};
  if (split.empty()) splits = splits_in(*files.kind.layout, files.root);
  std::vector<SplitCheck> checks;
  for (const auto& part : splits)
    checks.push_back(
        check_split(part, chosen_files(files.kind.name, *files.kind.layout, files.argument, part), options));
  return checks;
}

}  // namespace driftloop::adapt
