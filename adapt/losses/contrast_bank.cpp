#include "adapt/losses/contrast_bank.h"

#include <algorithm>

#include "config/check.h"

namespace driftloop::adapt {

ContrastBank::ContrastBank(const std::vector<std::int64_t>& capacity_c) {
  for (const std::int64_t capacity : capacity_c) {
    DL_CHECK(capacity > 0, capacity);
    rings_.push_back({capacity, 0, 0, {}});
  }
}

void ContrastBank::push(int class_id, const at::Tensor& feature_nd) {
  const torch::NoGradGuard no_grad;
  Ring& r = rings_[static_cast<std::size_t>(class_id)];
  const std::int64_t count = std::min(feature_nd.size(0), r.capacity);
  if (count == 0) return;
  const auto newest = feature_nd.slice(0, feature_nd.size(0) - count);
  const std::int64_t needed = std::min(r.capacity, r.size + count);
  const std::int64_t rows = r.row_nd.defined() ? r.row_nd.size(0) : 0;
  if (rows < needed) {
    auto more =
        at::empty({std::min(r.capacity, std::max(needed, 2 * rows)), newest.size(1)}, newest.options());
    if (rows > 0) more.narrow(0, 0, rows).copy_(r.row_nd);
    r.row_nd = more;
  }
  const std::int64_t before_wrap = std::min(count, r.capacity - r.next);
  r.row_nd.narrow(0, r.next, before_wrap).copy_(newest.narrow(0, 0, before_wrap));
  if (before_wrap < count) r.row_nd.narrow(0, 0, count - before_wrap).copy_(newest.slice(0, before_wrap));
  r.next = (r.next + count) % r.capacity;
  r.size = needed;
}

at::Tensor ContrastBank::features(int class_id, const at::Tensor& age) const {
  const Ring& r = ring(class_id);
  return r.row_nd.index_select(0, r.size < r.capacity ? age : (age + r.next).remainder(r.capacity));
}

void ContrastBank::clear() {
  for (Ring& r : rings_) r = {r.capacity, 0, 0, {}};
}

void ContrastBank::save(const std::string& prefix, TensorFile& file) const {
  std::vector<at::Tensor> rows;
  std::vector<std::int64_t> sizes;
  for (const Ring& r : rings_) {
    sizes.push_back(r.size);
    if (r.size == 0) continue;
    const std::int64_t oldest = r.size < r.capacity ? 0 : r.next;
    rows.push_back(r.row_nd.narrow(0, oldest, r.size - oldest));
    if (oldest > 0) rows.push_back(r.row_nd.narrow(0, 0, oldest));
  }
  if (rows.empty()) return;
  file.tensors[prefix + "rows"] = at::cat(rows).cpu();
  file.tensors[prefix + "size"] = at::tensor(sizes);
}

void ContrastBank::load(const std::string& prefix, const TensorFile& file, torch::Device device) {
  clear();
  const auto rows = file.tensors.find(prefix + "rows"), size = file.tensors.find(prefix + "size");
  if (rows == file.tensors.end() || size == file.tensors.end()) return;
  const auto count = size->second.to(at::kLong).contiguous();
  if (rows->second.dim() != 2 || count.numel() != static_cast<std::int64_t>(rings_.size()) ||
      count.lt(0).any().item<bool>() || count.sum().item<std::int64_t>() != rows->second.size(0))
    throw Error("the state is damaged: " + prefix + "size does not fit " + prefix + "rows");
  std::int64_t first = 0;
  for (std::size_t c = 0; c < rings_.size(); ++c) {
    const std::int64_t of_class = count.const_data_ptr<std::int64_t>()[c];
    push(static_cast<int>(c), rows->second.narrow(0, first, of_class).to(device));
    first += of_class;
  }
}

std::int64_t ContrastBank::stored_bytes() const {
  std::int64_t bytes = 0;
  for (const Ring& r : rings_)
    if (r.size > 0) bytes += r.size * r.row_nd.size(1) * r.row_nd.element_size();
  return bytes;
}

}  // namespace driftloop::adapt
