// The values in a Python pickle, read without executing anything: containers, numbers, texts and references
// to tensors. A pickle is a program for a small stack machine; only the instructions that build such values
// are known here, and the only functions that it may call are those that put a tensor together. Files come
// from other people: whatever they say, nothing is allocated beyond a small multiple of their own size.
#pragma once
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace driftloop::adapt {

struct PickleValue {
  enum class Kind { none, boolean, integer, real, text, list, tuple, dict, global, storage, tensor };
  Kind kind = Kind::none;
  std::int64_t integer = 0;  // booleans as well
  double real = 0;
  std::string text;                        // of a text; "module name" of a global; the key of a storage
  std::vector<const PickleValue*> items;   // of lists and tuples; of a dict key, value, key, value ...
  const PickleValue* type = nullptr;       // of a storage: the global that names its element type
  const PickleValue* storage = nullptr;    // of a tensor
  std::int64_t offset = 0;                 // of a tensor, in elements
  std::vector<std::int64_t> size, stride;  // of a tensor, in elements
};

/// The values of one pickle; they refer to each other and live as long as this object. Cycles are possible:
/// whoever walks them limits the depth.
class Pickle {
 public:
  /// Reads one pickle from the front of `bytes` and removes it from them. Throws Error (without the name of
  /// the file) for an unknown instruction, a function that is not allowed, by its name, or damage.
  explicit Pickle(std::string_view& bytes);
  const PickleValue& root() const { return *root_; }

 private:
  friend class PickleMachine;
  std::deque<PickleValue> values_;
  const PickleValue* root_ = nullptr;
};

}  // namespace driftloop::adapt
