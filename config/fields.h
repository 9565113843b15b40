// One description of an option struct serves reading, printing and help. Beside each struct stands
//   void describe(config::Fields& f, TrainOptions& o) { f.field("steps", o.steps, {1, 1'000'000}, "training
//   steps per round"); ... }
// and the defaults are the struct's own member initialisers, nowhere else.
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace driftloop::config {

struct IntRange {
  std::int64_t min = std::numeric_limits<std::int64_t>::min();
  std::int64_t max = std::numeric_limits<std::int64_t>::max();
};
struct RealRange {
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
};

/// Visits every option of a struct: key, place, what may be in it (inclusive ranges), and what it does with
/// its unit.
class Fields {
 public:
  virtual ~Fields() = default;
  virtual void field(const char* key, bool& value, const char* help) = 0;
  virtual void field(const char* key, std::int64_t& value, IntRange range, const char* help) = 0;
  virtual void field(const char* key, double& value, RealRange range, const char* help) = 0;
  virtual void field(const char* key, std::string& value, const char* help) = 0;
  virtual void field(const char* key, std::vector<std::string>& value, const char* help) = 0;
  /// A string that must be one of `allowed`.
  virtual void choice(const char* key, std::string& value, std::vector<std::string> allowed,
                      const char* help) = 0;

  void field(const char* key, int& value, IntRange range, const char* help) {
    std::int64_t wide = value;
    range.min = std::max<std::int64_t>(range.min, std::numeric_limits<int>::min());
    range.max = std::min<std::int64_t>(range.max, std::numeric_limits<int>::max());
    field(key, wide, range, help);
    value = static_cast<int>(wide);
  }

  /// A nested struct under `key`, described by its own `describe` (found by argument-dependent lookup).
  template <class Options>
  void section(const char* key, Options& options, const char* help) {
    if (!begin_section(key, help)) return;
    describe(*this, options);
    end_section();
  }

 protected:
  virtual bool begin_section(const char* key, const char* help) = 0;
  virtual void end_section() = 0;
};

}  // namespace driftloop::config
