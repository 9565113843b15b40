#include "adapt/data/file_dataset.h"

#include <algorithm>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <set>
#include <sstream>

#include "adapt/data/image_file.h"
#include "adapt/data/label_file.h"
#include "adapt/data/spec_options.h"
#include "config/check.h"
#include "config/durable_file.h"
#include "config/name_table.h"
#include "config/random.h"

namespace driftloop::adapt {
namespace fs = std::filesystem;
namespace {

using Files = std::vector<LabelledFile>;

class FileDataset : public Dataset {
 public:
  explicit FileDataset(Files files) : files_(std::move(files)) {}
  std::size_t size() const override { return files_.size(); }
  const std::string& id(std::size_t index) const override { return files_.at(index).id; }
  std::string group(std::size_t index) const override { return files_.at(index).group; }

  std::string where(std::size_t index) const override {
    return files_.at(index).image.string() + " with " + files_.at(index).label.string();
  }

  cv::Size size_px(std::size_t index) const override {
    const auto stated = stated_size_px(files_.at(index).image);
    return stated ? *stated : image_rgb(index).size();
  }

  cv::Mat image_rgb(std::size_t index) const override { return read_image_rgb(files_.at(index).image); }
  cv::Mat label(std::size_t index) const override { return read_label(files_.at(index)); }

 private:
  Files files_;
};

std::string number_of(const Files& files) {
  return std::to_string(files.size()) + (files.size() == 1 ? " image" : " images");
}

void require_split(std::string_view kind, const Layout& layout, const std::string& split) {
  if (layout.splits.empty() ||
      std::find(layout.splits.begin(), layout.splits.end(), split) != layout.splits.end())
    return;
  config::throw_unknown_name("split of " + std::string(kind), split,
                             {layout.splits.begin(), layout.splits.end()});
}

Files listed(Files files, const Layout& layout, const std::string& list) {
  std::set<std::string> wanted;
  std::istringstream lines(config::read_file(list));
  for (std::string line; std::getline(lines, line);) {
    while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back()))) line.pop_back();
    if (line.empty() || line.front() == '#') continue;
    if (const std::string id = layout.id_of_line(line); !id.empty()) wanted.insert(id);
  }
  std::erase_if(files, [&](const LabelledFile& file) { return wanted.erase(file.id) == 0; });
  if (!wanted.empty())
    throw Error(list + " names " + std::to_string(wanted.size()) +
                " images that are not there, the first is " + *wanted.begin() +
                "; is the data set complete, and the list of this split?");
  return files;
}

void keep_groups(Files& files, const std::string& names) {
  std::vector<std::string> wanted;
  std::istringstream text(names);
  for (std::string name; std::getline(text, name, ',');) wanted.push_back(name);
  std::vector<std::string> known;
  for (const auto& file : files) {
    known.push_back(file.group);
    known.push_back(file.group.substr(0, file.group.find('/')));
  }
  std::sort(known.begin(), known.end());
  known.erase(std::unique(known.begin(), known.end()), known.end());
  for (const auto& name : wanted)
    if (!std::binary_search(known.begin(), known.end(), name))
      config::throw_unknown_name("group", name, known);
  std::erase_if(files, [&](const LabelledFile& file) {
    return std::none_of(wanted.begin(), wanted.end(), [&](const std::string& name) {
      return file.group == name || file.group.starts_with(name + '/');
    });
  });
}

void draw(Files& files, std::size_t count, std::uint64_t seed) {
  if (count > files.size())
    throw Error("sample=" + std::to_string(count) + " of " + number_of(files) + ": so many are not there");
  config::Random random(config::mix64(seed));
  for (std::size_t i = 0; i < count; ++i)
    std::swap(files[i], files[i + static_cast<std::size_t>(random.below(files.size() - i))]);
  files.resize(count);
}

void sort_by_id(Files& files) {
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
}

struct Choice {
  std::string list, group;
  std::int64_t skip = 0, first = -1, sample = -1, seed = 0;
};

Choice choice_of(std::string_view kind, const SpecOptions& spec) {
  Choice choice;
  for (const auto& [key, value] : spec.options) {
    const auto number = [&, &key = key, &value = value] {
      return whole_number(std::string(kind), key, value);
    };
    if (key == "list")
      choice.list = value;
    else if (key == "group")
      choice.group = value;
    else if (key == "skip")
      choice.skip = number();
    else if (key == "first")
      choice.first = number();
    else if (key == "sample")
      choice.sample = number();
    else if (key == "seed")
      choice.seed = number();
    else
      config::throw_unknown_name("setting of a data set", key,
                                 {"list", "group", "skip", "first", "sample", "seed"});
  }
  return choice;
}

}  // namespace

cv::Mat read_label(const LabelledFile& file) {
  const cv::Mat ids = read_label_ids(file.label);
  if (const auto unknown = config::unknown_ids(ids, file.id_table); !unknown.empty())
    throw Error(file.label.string() + " holds the value " + std::to_string(unknown.front()) +
                ", which the label ids '" + std::string(file.id_table) +
                "' do not know; is this another data set's format?");
  return config::map_labels(ids, config::id_table(file.id_table));
}

Files chosen_files(std::string_view kind, const Layout& layout, const std::string& argument,
                   const std::string& split) {
  const SpecOptions spec = parse_spec_options(argument);
  const Choice choice = choice_of(kind, spec);
  const std::string part =
      split.empty() && !layout.splits.empty() ? std::string(layout.splits.front()) : split;
  require_split(kind, layout, part);
  Files files;
  try {
    files = layout.list(spec.root, part);
  } catch (const Error& error) {
    throw Error(std::string(error.what()) + "; a " + std::string(kind) + ": data set holds " +
                std::string(layout.shape));
  }
  if (files.empty())
    throw Error("no images of '" + part + "' in " + spec.root + "; a " + std::string(kind) +
                ": data set holds " + std::string(layout.shape));
  sort_by_id(files);
  const auto twin = std::adjacent_find(files.begin(), files.end(),
                                       [](const auto& a, const auto& b) { return a.id == b.id; });
  if (twin != files.end())
    throw Error(twin->image.string() + " and " + std::next(twin)->image.string() + " are both image '" +
                twin->id + "': remove one");
  if (!choice.list.empty()) files = listed(std::move(files), layout, choice.list);
  if (!choice.group.empty()) keep_groups(files, choice.group);
  files.erase(files.begin(), files.begin() + std::min<std::ptrdiff_t>(choice.skip, std::ssize(files)));
  if (choice.first >= 0 && choice.first < std::ssize(files))
    files.resize(static_cast<std::size_t>(choice.first));
  if (choice.sample >= 0)
    draw(files, static_cast<std::size_t>(choice.sample), static_cast<std::uint64_t>(choice.seed));
  sort_by_id(files);
  if (files.empty()) throw Error(std::string(kind) + ':' + argument + " leaves no image of '" + part + "'");
  return files;
}

std::unique_ptr<Dataset> open_files(Files files) {
  return std::make_unique<FileDataset>(std::move(files));
}

void require_labels(const Files& files) {
  std::size_t missing = 0;
  const LabelledFile* first_missing = nullptr;
  for (const auto& file : files)
    if (!fs::is_regular_file(file.label) && missing++ == 0) first_missing = &file;
  if (first_missing != nullptr)
    throw Error(std::to_string(missing) + " of " + number_of(files) + " have no label, the first is " +
                first_missing->image.string() + " (expected " + first_missing->label.string() +
                "); 'driftloop data check' lists all");
}

void write_dataset(const Dataset& dataset, const fs::path& folder,
                   const std::function<void(std::size_t, std::size_t)>& progress) {
  config::make_folder(folder / "images");
  config::make_folder(folder / "labels");
  for (std::size_t i = 0; i < dataset.size(); ++i) {
    cv::Mat bgr;
    cv::cvtColor(dataset.image_rgb(i), bgr, cv::COLOR_RGB2BGR);
    const fs::path image = folder / "images" / (dataset.id(i) + ".png"),
                   label = folder / "labels" / (dataset.id(i) + ".png");
    if (!cv::imwrite(image.string(), bgr) || !cv::imwrite(label.string(), dataset.label(i)))
      throw Error("cannot write " + image.string() + " and its label; is the disk full?");
    progress(i + 1, dataset.size());
  }
}

}  // namespace driftloop::adapt
