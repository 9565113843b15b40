// One description of an option struct serves reading, printing and help. Beside each struct stands
//   void describe(config::Fields& f, TrainOptions& o) { f.field("steps", o.steps, {1, 1'000'000}, "training
//   steps per round"); ... }
// The defaults are the struct's own member initialisers, nowhere else; what a setting does is said in its
// help, nowhere else: unit, effect, what a special value means, and why a default is not the paper's. Beside
// the member stands only what help cannot say, as where a constant comes from.
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/chosen.h"

namespace driftloop::config {

struct IntRange {
  std::int64_t min = std::numeric_limits<std::int64_t>::min();
  std::int64_t max = std::numeric_limits<std::int64_t>::max();
};
struct RealRange {
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
};

/// A list of option structs behind their description.
class SectionList {
 public:
  virtual ~SectionList() = default;
  virtual std::size_t size() const = 0;
  /// Makes it `count` structs with their defaults, whatever it held.
  virtual void assign(std::size_t count) = 0;
  virtual void visit(Fields& fields, std::size_t index) = 0;
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
  /// Absent or set; absent is written "none". The range is that of a value.
  virtual void field(const char* key, std::optional<std::int64_t>& value, IntRange range,
                     const char* help) = 0;
  virtual void field(const char* key, std::optional<double>& value, RealRange range, const char* help) = 0;
  /// A string that must be one of `allowed`.
  virtual void choice(const char* key, std::string& value, std::vector<std::string> allowed,
                      const char* help) = 0;
  /// A part by its name and, under the same key, that part's own options. They may not have a key "name".
  virtual void chosen(const char* key, Chosen& value, const Choices& choices, const char* help) = 0;
  /// Several of them, in their order.
  virtual void chosen(const char* key, std::vector<Chosen>& value, const Choices& choices,
                      const char* help) = 0;

  /// A key that is no more: where it is met it is refused with what to write instead.
  virtual void gone(const char* /*key*/, const char* /*instead*/) {}

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

  /// A list of structs under `key`, each described by its own `describe`.
  template <class Options>
  void list(const char* key, std::vector<Options>& options, const char* help) {
    ListOf<Options> behind(options);
    list_of(key, behind, help);
  }

 protected:
  virtual bool begin_section(const char* key, const char* help) = 0;
  virtual void end_section() = 0;
  virtual void list_of(const char* key, SectionList& list, const char* help) = 0;

 private:
  template <class Options>
  class ListOf final : public SectionList {
   public:
    explicit ListOf(std::vector<Options>& options) : options_(options) {}
    std::size_t size() const override { return options_.size(); }
    void assign(std::size_t count) override { options_.assign(count, Options{}); }
    void visit(Fields& fields, std::size_t index) override { describe(fields, options_.at(index)); }

   private:
    std::vector<Options>& options_;
  };
};

}  // namespace driftloop::config
