// Who we are among how many: a run may be shared by several processes, one for each device, that all make the
// same calls in the same order. An argument like time: nothing asks the environment for it. No LibTorch in
// this header.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

namespace at {
class Tensor;
}

namespace driftloop::adapt {

class Ranks {
 public:
  virtual ~Ranks() = default;
  virtual int rank() const { return 0; }  // 0..count() - 1
  virtual int count() const { return 1; }

  /// The tensor (float or double, of the same shape on each rank, on the rank's own device) becomes the sum
  /// over all ranks, the same bits on each. Throws Error when a rank is lost.
  virtual void sum(at::Tensor&) const {}
  /// What each rank gave, in the order of the ranks. Throws Error when a rank is lost.
  virtual std::vector<std::string> gather(const std::string& bytes) const { return {bytes}; }

  /// Whether the `index`-th of many things is this rank's to do.
  bool owns(std::size_t index) const {
    return index % static_cast<std::size_t>(count()) == static_cast<std::size_t>(rank());
  }

  /// Whether any rank says so.
  bool any(bool mine) const {
    if (count() == 1) return mine;
    bool one = false;
    for (const auto& said : gather(mine ? "1" : "0")) one = one || said == "1";
    return one;
  }

  /// One process, which is everybody.
  static const Ranks& alone() {
    static const Ranks only;
    return only;
  }
};

}  // namespace driftloop::adapt
