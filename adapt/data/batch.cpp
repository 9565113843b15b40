#include "adapt/data/batch.h"

#include <algorithm>

#include "config/check.h"

namespace driftloop::adapt {
namespace {

struct Rows {
  std::int64_t part, parts;

  std::int64_t first(std::int64_t count) const { return count * part / parts; }
  std::int64_t end(std::int64_t count) const { return count * (part + 1) / parts; }
  at::Tensor of(const at::Tensor& all) const {
    if (!all.defined() || first(all.size(0)) == end(all.size(0))) return {};
    return all.slice(0, first(all.size(0)), end(all.size(0)));
  }
};

CutImages cut_images_of(const CutImages& all, std::int64_t first_slot, std::int64_t end_slot) {
  CutImages some;
  std::vector<std::int64_t> rows;
  for (std::size_t i = 0; i < all.slot.size(); ++i) {
    if (all.slot[i] < first_slot || all.slot[i] >= end_slot) continue;
    rows.push_back(static_cast<std::int64_t>(i));
    some.frame_id.push_back(all.frame_id[i]);
    some.slot.push_back(static_cast<int>(all.slot[i] - first_slot));
    some.class_id.push_back(all.class_id[i]);
  }
  if (rows.empty()) return some;
  const auto index = at::tensor(rows);
  some.weak_image = all.weak_image.index_select(0, index);
  some.strong_image = all.strong_image.index_select(0, index);
  if (all.padding.defined()) some.padding = all.padding.index_select(0, index);
  return some;
}

}  // namespace

at::Tensor images_to_tensor(const std::vector<cv::Mat>& images_rgb) {
  DL_CHECK(!images_rgb.empty());
  const int height = images_rgb[0].rows, width = images_rgb[0].cols;
  auto batch = at::empty({static_cast<std::int64_t>(images_rgb.size()), height, width, 3}, at::kByte);
  auto* out = batch.data_ptr<std::uint8_t>();
  for (const cv::Mat& image : images_rgb) {
    DL_CHECK(image.type() == CV_8UC3 && image.rows == height && image.cols == width, image.rows, image.cols);
    image.copyTo(cv::Mat(height, width, CV_8UC3, out));
    out += image.total() * image.elemSize();
  }
  return batch;
}

at::Tensor labels_to_tensor(const std::vector<cv::Mat>& labels) {
  DL_CHECK(!labels.empty());
  std::vector<at::Tensor> maps;
  for (const cv::Mat& label : labels) {
    DL_CHECK(label.type() == CV_8UC1 && label.isContinuous(), label.type());
    maps.push_back(torch::from_blob(label.data, {label.rows, label.cols}, torch::kUInt8).to(torch::kInt64));
  }
  return torch::stack(maps);
}

at::Tensor padding_to_tensor(const std::vector<cv::Rect>& contents_px, cv::Size crop) {
  const cv::Rect whole({0, 0}, crop);
  if (std::all_of(contents_px.begin(), contents_px.end(), [&](const auto& box) { return box == whole; }))
    return {};
  auto padding =
      at::ones({static_cast<std::int64_t>(contents_px.size()), crop.height, crop.width}, at::kBool);
  for (std::size_t i = 0; i < contents_px.size(); ++i) {
    const cv::Rect& box = contents_px[i];
    padding[static_cast<std::int64_t>(i)]
        .narrow(0, box.y, box.height)
        .narrow(1, box.x, box.width)
        .fill_(false);
  }
  return padding;
}

std::vector<Batch> split(const Batch& batch, int parts) {
  if (parts == 1) return {batch};
  std::vector<Batch> result;
  for (int part = 0; part < parts; ++part) {
    const Rows rows{part, parts};
    Batch some;
    some.source_image = rows.of(batch.source_image);
    some.source_label = rows.of(batch.source_label);
    some.source_padding = rows.of(batch.source_padding);
    some.source_paste = {rows.of(batch.source_paste.image), rows.of(batch.source_paste.label)};
    some.target_image = rows.of(batch.target_image);
    some.target_label = rows.of(batch.target_label);
    some.target_padding = rows.of(batch.target_padding);
    some.target_paste = {rows.of(batch.target_paste.image), rows.of(batch.target_paste.label)};
    some.weak_image = rows.of(batch.weak_image);
    some.strong_image = rows.of(batch.strong_image);
    some.unlabelled_padding = rows.of(batch.unlabelled_padding);
    const auto count = static_cast<std::int64_t>(batch.unlabelled_id.size());
    const std::int64_t first = rows.first(count), end = rows.end(count);
    some.unlabelled_id.assign(batch.unlabelled_id.begin() + first, batch.unlabelled_id.begin() + end);
    some.cut = cut_images_of(batch.cut, first, end);
    if (part == 0) some.cut.vanished = batch.cut.vanished;
    if (!some.source_image.defined() && !some.target_image.defined()) continue;
    repeat_a_lone_image(some);
    result.push_back(std::move(some));
  }
  return result;
}

void repeat_a_lone_image(Batch& batch) {
  const auto count = [](const at::Tensor& image) { return image.defined() ? image.size(0) : 0; };
  if (count(batch.source_image) + count(batch.target_image) + count(batch.weak_image) > 1) return;
  for (at::Tensor* part :
       {&batch.source_image, &batch.source_label, &batch.source_padding, &batch.source_paste.image,
        &batch.source_paste.label, &batch.target_image, &batch.target_label, &batch.target_padding,
        &batch.target_paste.image, &batch.target_paste.label})
    if (part->defined()) *part = at::cat({*part, *part});
}

}  // namespace driftloop::adapt
