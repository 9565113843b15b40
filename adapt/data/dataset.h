// Labelled images: the source domain, the evaluation splits, and the ground truth an oracle answers from. A
// data set is a text, "kind:argument": cityscapes:DIR?list=FILE, camvid:DIR, streetsim:LOOK?frames=400. Add
// one: a file beside this (layout.h) and a line in dataset_table.cpp.
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <opencv2/core/mat.hpp>
#include <string>
#include <vector>

#include "config/label_space.h"

namespace driftloop::adapt {

/// Its members may be called by several threads at once.
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual std::size_t size() const = 0;
  /// Distinct within the data set; the file's stem for folders.
  virtual const std::string& id(std::size_t index) const = 0;
  /// The city or sequence the image belongs to.
  virtual std::string group(std::size_t index) const = 0;
  /// Where the image and its label come from, for messages.
  virtual std::string where(std::size_t index) const { return id(index); }
  /// Of the image and its label. Throws Error as image_rgb() does, but need not read all of it.
  virtual cv::Size size_px(std::size_t index) const { return image_rgb(index).size(); }
  /// 8UC3 RGB. Throws Error when the file cannot be read.
  virtual cv::Mat image_rgb(std::size_t index) const = 0;
  /// 8UC1 trainIds (config/label_space.h), 255 = ignored. Throws Error naming the file when it cannot be read
  /// or holds values outside its id table.
  virtual cv::Mat label(std::size_t index) const = 0;
};

struct LabelledImage {
  cv::Mat image_rgb;  // 8UC3
  cv::Mat label;      // 8UC1 trainIds, 255 ignored, of the same size
};

/// Both of one entry. Throws Error naming the files when their sizes differ, and as image_rgb() and label()
/// do.
LabelledImage labelled_image(const Dataset& dataset, std::size_t index);

/// `spec` is "kind:argument"; `split` names a part of it ("train", "val", "" = the kind's default). Throws
/// Error: unknown kind, missing folder, no images, an image without a label.
std::unique_ptr<Dataset> open_dataset(const std::string& spec, const std::string& split);

/// `spec` with `root` before the folder of a data set on disk, where that is relative.
std::string spec_below(const std::string& spec, const std::filesystem::path& root);

/// The same where labels may be missing: label() throws Error then.
std::unique_ptr<Dataset> open_images(const std::string& spec, const std::string& split);

/// "camvid11" for camvid:..., "synthia16" for synthia:..., "cityscapes19" otherwise.
std::string dataset_label_space(const std::string& spec);

/// "kind: help" of each.
std::vector<std::string> dataset_kinds();

/// Writes images/<id>.png and labels/<id>.png (trainIds) below `folder`, a folder: data set.
/// Throws Error.
void write_dataset(const Dataset& dataset, const std::filesystem::path& folder,
                   const std::function<void(std::size_t done, std::size_t total)>& progress);

/// Keeps decoded images and labels up to `cache_bytes`, whichever were asked for first (training draws at
/// random: no eviction).
std::unique_ptr<Dataset> cached(std::unique_ptr<Dataset> inner, std::size_t cache_bytes);

}  // namespace driftloop::adapt
