#include <array>
#include <mutex>
#include <span>

#include "adapt/data/dataset.h"
#include "adapt/data/folder_dataset.h"
#include "adapt/data/streetsim_dataset.h"
#include "config/check.h"
#include "config/name_table.h"

namespace driftloop::adapt {
namespace {

struct Kind {
  std::unique_ptr<Dataset> (*open)(const std::string& argument, const std::string& split);
  std::string_view label_space;
};

constexpr std::array<config::NameEntry<Kind>, 3> kKinds = {{
    {"camvid",
     "camvid:DIR with {train,val}/{images,labels}, the 11 classes of SegNet",
     {open_camvid, "camvid11"}},
    {"folder",
     "folder:DIR with [SPLIT/]images and [SPLIT/]labels, labels are trainIds",
     {open_folder, "cityscapes19"}},
    {"streetsim",
     "streetsim:LOOK?frames=N&seed=S&width=W&height=H&stride=T, rendered as asked for",
     {open_streetsim, "cityscapes19"}},
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

std::unique_ptr<Dataset> open_dataset(const std::string& spec, const std::string& split) {
  const Parts parts = parse(spec);
  return parts.kind.make.open(parts.argument, split);
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
