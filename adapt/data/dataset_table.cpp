#include "adapt/data/dataset_table.h"

#include <array>
#include <mutex>
#include <span>

#include "adapt/data/dataset.h"
#include "adapt/data/file_dataset.h"
#include "adapt/data/spec_options.h"
#include "adapt/data/streetsim_dataset.h"
#include "config/check.h"
#include "config/name_table.h"

namespace driftloop::adapt {
namespace {

/// Either files on disk or made by `open`.
struct Kind {
  std::string_view label_space;
  const Layout& (*layout)();
  std::unique_ptr<Dataset> (*open)(const std::string& argument, const std::string& split);
};

constexpr std::array<config::NameEntry<Kind>, 9> kKinds = {{
    {"cityscapes",
     "cityscapes:DIR with leftImg8bit and gtFine",
     {"cityscapes19", cityscapes_layout, nullptr}},
    {"gtav", "gtav:DIR with images and labels", {"cityscapes19", gtav_layout, nullptr}},
    {"synthia", "synthia:DIR of SYNTHIA-RAND-CITYSCAPES, 16 classes", {"synthia16", synthia_layout, nullptr}},
    {"acdc", "acdc:DIR with rgb_anon and gt; ?group=night", {"cityscapes19", acdc_layout, nullptr}},
    {"bdd100k", "bdd100k:DIR, its 10,000 images with labels", {"cityscapes19", bdd100k_layout, nullptr}},
    {"mapillary", "mapillary:DIR, Vistas 1.2 folded to 19", {"cityscapes19", mapillary_layout, nullptr}},
    {"camvid", "camvid:DIR, the 11 classes of SegNet", {"camvid11", camvid_layout, nullptr}},
    {"folder",
     "folder:DIR with [SPLIT/]images and [SPLIT/]labels, labels are trainIds",
     {"cityscapes19", folder_layout, nullptr}},
    {"streetsim",
     "streetsim:LOOK?frames=N&seed=S&width=W&height=H&stride=T, rendered as asked for",
     {"cityscapes19", nullptr, open_streetsim}},
}};

struct Parts {
  const config::NameEntry<Kind>& kind;
  std::string argument;
};

Parts parse(const std::string& spec) {
  const auto colon = spec.find(':');
  if (colon == std::string::npos)
    throw Error("data set '" + spec + "': write it as kind:argument, for example camvid:/data/camvid");
  return {config::find_entry<Kind>(kKinds, spec.substr(0, colon), "data set kind"), spec.substr(colon + 1)};
}

class Cached : public Dataset {
 public:
  Cached(std::unique_ptr<Dataset> inner, std::size_t bytes)
      : inner_(std::move(inner)), left_(bytes), images_(inner_->size()), labels_(inner_->size()) {}
  std::size_t size() const override { return inner_->size(); }
  const std::string& id(std::size_t index) const override { return inner_->id(index); }
  std::string group(std::size_t index) const override { return inner_->group(index); }
  std::string where(std::size_t index) const override { return inner_->where(index); }
  cv::Size size_px(std::size_t index) const override { return inner_->size_px(index); }
  cv::Mat image_rgb(std::size_t index) const override {
    return keep(images_.at(index), [&] { return inner_->image_rgb(index); });
  }
  cv::Mat label(std::size_t index) const override {
    return keep(labels_.at(index), [&] { return inner_->label(index); });
  }

 private:
  template <class Load>
  cv::Mat keep(cv::Mat& kept, const Load& load) const {
    {
      const std::scoped_lock lock(mutex_);
      if (!kept.empty()) return kept;
    }
    cv::Mat fresh = load();
    const std::size_t bytes = fresh.total() * fresh.elemSize();
    const std::scoped_lock lock(mutex_);
    if (!kept.empty() || bytes > left_) return fresh;
    left_ -= bytes;
    return kept = fresh;
  }

  std::unique_ptr<Dataset> inner_;
  mutable std::mutex mutex_;
  mutable std::size_t left_;
  mutable std::vector<cv::Mat> images_, labels_;
};

}  // namespace

std::vector<FileKind> file_kinds() {
  std::vector<FileKind> kinds;
  for (const auto& kind : kKinds)
    if (kind.make.layout != nullptr) kinds.push_back({kind.name, &kind.make.layout()});
  return kinds;
}

FileSpec file_spec(const std::string& spec) {
  Parts parts = parse(spec);
  if (parts.kind.make.layout == nullptr)
    throw Error(spec + " is not made of files: there is nothing to check");
  std::string root = parse_spec_options(parts.argument).root;
  return {{parts.kind.name, &parts.kind.make.layout()}, std::move(parts.argument), std::move(root)};
}

std::unique_ptr<Dataset> open_dataset(const std::string& spec, const std::string& split) {
  const Parts parts = parse(spec);
  const Kind& kind = parts.kind.make;
  if (kind.layout == nullptr) return kind.open(parts.argument, split);
  auto files = chosen_files(parts.kind.name, kind.layout(), parts.argument, split);
  require_labels(files);
  return open_files(std::move(files));
}

std::string spec_below(const std::string& spec, const std::filesystem::path& root) {
  if (spec.empty()) return spec;
  const Parts parts = parse(spec);
  if (parts.kind.make.layout == nullptr) return spec;
  return std::string(parts.kind.name) + ':' + (root / parts.argument).string();
}

std::unique_ptr<Dataset> open_images(const std::string& spec, const std::string& split) {
  const Parts parts = parse(spec);
  const Kind& kind = parts.kind.make;
  if (kind.layout == nullptr) return kind.open(parts.argument, split);
  return open_files(chosen_files(parts.kind.name, kind.layout(), parts.argument, split));
}

LabelledImage labelled_image(const Dataset& dataset, std::size_t index) {
  LabelledImage both{dataset.image_rgb(index), dataset.label(index)};
  if (both.image_rgb.size() != both.label.size())
    throw Error(dataset.where(index) + ": the image is " + std::to_string(both.image_rgb.cols) + 'x' +
                std::to_string(both.image_rgb.rows) + " but its label is " + std::to_string(both.label.cols) +
                'x' + std::to_string(both.label.rows) + "; write the label again or remove both");
  return both;
}

std::string dataset_label_space(const std::string& spec) {
  return std::string(parse(spec).kind.make.label_space);
}

std::vector<std::string> dataset_kinds() {
  std::vector<std::string> lines;
  for (const auto& kind : kKinds) lines.push_back(std::string(kind.name) + ": " + std::string(kind.help));
  return lines;
}

std::unique_ptr<Dataset> cached(std::unique_ptr<Dataset> inner, std::size_t cache_bytes) {
  return std::make_unique<Cached>(std::move(inner), cache_bytes);
}

}  // namespace driftloop::adapt
