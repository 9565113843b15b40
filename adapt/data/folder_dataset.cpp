#include "adapt/data/folder_dataset.h"

#include <algorithm>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "adapt/data/image_file.h"
#include "config/check.h"
#include "config/durable_file.h"

namespace driftloop::adapt {
namespace fs = std::filesystem;
namespace {

struct Entry {
  std::string id;
  fs::path image;
  fs::path label;
};

/// The sequence: what stands before the last '_' of the name, as in Cityscapes (city_seq_frame) and CamVid
/// (sequence_frame).
std::string group_of(const std::string& id) {
  const auto underscore = id.rfind('_');
  return underscore == std::string::npos ? std::string() : id.substr(0, underscore);
}

class FolderDataset : public Dataset {
 public:
  FolderDataset(std::vector<Entry> entries, std::string id_table)
      : entries_(std::move(entries)), id_table_(std::move(id_table)) {}
  std::size_t size() const override { return entries_.size(); }
  const std::string& id(std::size_t index) const override { return entries_.at(index).id; }
  std::string group(std::size_t index) const override { return group_of(entries_.at(index).id); }

  std::string where(std::size_t index) const override {
    return entries_.at(index).image.string() + " with " + entries_.at(index).label.string();
  }

  cv::Size size_px(std::size_t index) const override {
    const auto stated = stated_size_px(entries_.at(index).image);
    return stated ? *stated : image_rgb(index).size();
  }

  cv::Mat image_rgb(std::size_t index) const override { return read_image_rgb(entries_.at(index).image); }

  cv::Mat label(std::size_t index) const override {
    const Entry& entry = entries_.at(index);
    const cv::Mat ids = cv::imread(entry.label.string(), cv::IMREAD_UNCHANGED);
    if (ids.empty())
      throw Error(entry.label.string() +
                  " is not a readable label image; remove it with its picture or write it again");
    if (ids.type() != CV_8UC1)
      throw Error(entry.label.string() + " must have one byte per pixel (class ids), not colours");
    if (const auto unknown = config::unknown_ids(ids, id_table_); !unknown.empty())
      throw Error(entry.label.string() + " holds the value " + std::to_string(unknown.front()) +
                  ", which the label ids '" + id_table_ +
                  "' do not know; is this another data set's format?");
    return config::map_labels(ids, config::id_table(id_table_));
  }

 private:
  std::vector<Entry> entries_;
  std::string id_table_;
};

void require_folder(const fs::path& folder, const char* what) {
  if (!fs::is_directory(folder)) throw Error(std::string("no folder of ") + what + " at " + folder.string());
}

}  // namespace

std::unique_ptr<Dataset> open_layout(const FolderLayout& layout) {
  require_folder(layout.images, "images");
  require_folder(layout.labels, "labels");
  std::vector<Entry> entries;
  for (const auto& file : fs::directory_iterator(layout.images)) {
    const auto extension = file.path().extension();
    if (extension != ".png" && extension != ".jpg" && extension != ".jpeg") continue;
    const std::string id = file.path().stem().string();
    entries.push_back({id, file.path(), layout.labels / (id + ".png")});
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.id < b.id; });
  if (entries.empty()) throw Error("no images (*.jpg, *.png) in " + layout.images.string());
  std::size_t missing = 0;
  const Entry* first_missing = nullptr;
  for (const auto& entry : entries)
    if (!fs::is_regular_file(entry.label) && missing++ == 0) first_missing = &entry;
  if (first_missing)
    throw Error(std::to_string(missing) + " of " + std::to_string(entries.size()) +
                " images have no label, the first is " + first_missing->image.string() + " (expected " +
                first_missing->label.string() + ')');
  return std::make_unique<FolderDataset>(std::move(entries), layout.id_table);
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

std::unique_ptr<Dataset> open_camvid(const std::string& folder, const std::string& split) {
  const fs::path root = fs::path(folder) / (split.empty() ? "train" : split);
  return open_layout({root / "images", root / "labels", "camvid"});
}

std::unique_ptr<Dataset> open_folder(const std::string& folder, const std::string& split) {
  const fs::path root = split.empty() ? fs::path(folder) : fs::path(folder) / split;
  return open_layout({root / "images", root / "labels", "trainids"});
}

}  // namespace driftloop::adapt
