// The negatives of the contrastive loss: for each class a ring of features, the newest stay (method.md 3.5).
#pragma once
#include <vector>

#include "adapt/files/safetensors.h"
#include "adapt/torch.h"

namespace driftloop::adapt {

class ContrastBank {
 public:
  /// The most features of each class. Memory is taken as they come.
  explicit ContrastBank(const std::vector<std::int64_t>& capacity_c);

  std::int64_t size(int class_id) const { return ring(class_id).size; }
  /// The newest `capacity` of these (n, D) go in; they are on the device of those that are there already.
  void push(int class_id, const at::Tensor& feature_nd);
  /// (n, D): `age` (n) int64 counts from the oldest, 0, and lies on the device of the features.
  at::Tensor features(int class_id, const at::Tensor& age) const;
  void clear();

  /// As "<prefix>rows" and "<prefix>size", nothing when empty. Loaded, they are in the order that they had;
  /// what is beyond a capacity is left out, oldest first. Throws Error (damaged).
  void save(const std::string& prefix, TensorFile& file) const;
  void load(const std::string& prefix, const TensorFile& file, torch::Device device);
  std::int64_t stored_bytes() const;

 private:
  struct Ring {
    std::int64_t capacity = 0, size = 0, next = 0;
    at::Tensor row_nd;  // as many rows as were ever needed
  };
  const Ring& ring(int class_id) const { return rings_[static_cast<std::size_t>(class_id)]; }
  std::vector<Ring> rings_;
};

}  // namespace driftloop::adapt
