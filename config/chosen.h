// An exchangeable part that has options of its own: the name of a table's line, and beside it that line's
// options, whose type only the part knows. In YAML "strategy: cover" or "strategy: {name: cover, balance:
// 0.7}". How a table offers such parts is in part_table.h.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>
#include <vector>

#include "config/check.h"

namespace driftloop::config {

class Fields;

/// An option struct behind its description.
class Section {
 public:
  virtual ~Section() = default;
  virtual std::unique_ptr<Section> clone() const = 0;
  /// Describes it to `fields`, which may change it.
  virtual void visit(Fields& fields) = 0;
};

template <class Options>
class SectionOf final : public Section {
 public:
  explicit SectionOf(Options options = {}) : options_(std::move(options)) {}
  std::unique_ptr<Section> clone() const override { return std::make_unique<SectionOf>(options_); }
  void visit(Fields& fields) override { describe(fields, options_); }
  const Options& options() const { return options_; }

 private:
  Options options_;
};

/// For a part without options.
struct NoOptions {};
inline void describe(Fields&, NoOptions&) {}

/// A line that can be chosen, as reading, printing and help see it.
struct Choice {
  std::string_view name;
  std::string_view help;
  std::unique_ptr<Section> (*defaults)();  // its own options
};
using Choices = std::vector<Choice>;

/// Throws Error: "<what> 'name' is not known; did you mean ...".
[[noreturn]] void throw_unknown_choice(const Choices& choices, std::string_view name, std::string_view what);
/// The line called `name`. Throws Error when there is none; `what` is the word for the kind of thing.
const Choice& find_choice(const Choices& choices, std::string_view name, std::string_view what);

/// A value: copies are independent of each other and cheap.
class Chosen {
 public:
  /// With the defaults of the part that has this name.
  explicit Chosen(std::string name) : name_(std::move(name)) {}
  /// `options` must be of the part's own type.
  template <class Options>
  Chosen(std::string name, Options options)
      : name_(std::move(name)), section_(std::make_shared<SectionOf<Options>>(std::move(options))) {}
  Chosen(std::string name, std::unique_ptr<Section> section)
      : name_(std::move(name)), section_(std::move(section)) {}

  const std::string& name() const { return name_; }

  /// The part's own options; CheckError when it has others than `Options`.
  template <class Options>
  Options options() const {
    if (!section_) return Options{};
    const auto* own = dynamic_cast<const SectionOf<Options>*>(section_.get());
    DL_CHECK(own != nullptr, name_, typeid(Options).name());
    return own->options();
  }

  /// A copy of the options to be described; of a part whose options nobody set, its defaults. Throws Error
  /// as find_choice does.
  std::unique_ptr<Section> section(const Choices& choices, std::string_view what) const;

 private:
  std::string name_;
  std::shared_ptr<const Section> section_;  // never changed, so copies share it; none = nobody set any
};

}  // namespace driftloop::config
