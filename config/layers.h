// YAML files -> option structs. Layers in order: the struct's defaults < preset (with its `extends:` chain) <
// host file < --set. Unknown or duplicate key, wrong type, out of range: one Error with file:line:column,
// what was expected and the nearest name. A key with a blank value ("weights:") is as if it were not there;
// on the command line, where it can only be a slip, it is refused.
// What a later layer does to an earlier one's value: a setting and a list are replaced, a section is merged
// key by key. A chosen part keeps the options that were set as long as it has the same name, and starts from
// its defaults when the name changes. --set list[1].key=value changes one element, counted from 0, of a list
// that is there.
#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/fields.h"
#include "config/writer.h"

namespace driftloop::config {

/// Where the values in effect were given.
class Places {
 public:
  /// Of "section.key" or "list[0].key": "file:line:column", or "--set ..."; "" = nowhere, it is the default.
  std::string of(const std::string& key) const;

 private:
  friend class Layers;
  std::map<std::string, std::string> places_;
};

class Layers {
 public:
  /// `preset` is a name found in the preset folders or a path to a YAML file; "" = none. `host_file` "" =
  /// none. `sets` are "section.key=value" from the command line. Throws Error.
  Layers(const std::string& preset, const std::filesystem::path& host_file,
         const std::vector<std::string>& sets);
  ~Layers();
  Layers(Layers&&) noexcept;
  Layers& operator=(Layers&&) noexcept;

  /// Applies every layer, lowest first, to `options`. Throws Error on the first mistake.
  template <class Options>
  Places apply(Options& options) const {
    return apply_with([&](Fields& fields) { describe(fields, options); });
  }

 private:
  Places apply_with(const std::function<void(Fields&)>& describe_all) const;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Applies one YAML text to `options`; `origin` names it in errors. Throws Error.
void apply_text_with(const std::string& text, const std::string& origin,
                     const std::function<void(Fields&)>& describe_all);
template <class Options>
void apply_text(const std::string& text, const std::string& origin, Options& options) {
  apply_text_with(text, origin, [&](Fields& fields) { describe(fields, options); });
}

/// The preset names that can be given, with the first comment line of each file as help ("name: help").
std::vector<std::string> list_presets();

}  // namespace driftloop::config
