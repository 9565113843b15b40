#include "config/reader.h"

#include <algorithm>
#include <map>
#include <set>
#include <type_traits>
#include <vector>

#include "config/check.h"
#include "config/name_table.h"
#include "config/writer.h"

namespace driftloop::config {
namespace {

constexpr const char* kName = "name";    // of a chosen part, beside its own options
constexpr const char* kAbsent = "none";  // an optional value

std::string text_of(const YAML::Node& node) {
  return node.IsScalar() ? node.Scalar() : "a block";
}

/// Reads one layer onto a struct: remembers what it met at each level, so what is left over is an unknown
/// key.
class Reader : public Fields {
 public:
  Reader(const Layer& layer, PlaceOf& places) : layer_(layer), places_(places) { enter("", layer.root); }

  using Fields::field;
  void field(const char* key, bool& value, const char*) override { read(key, value, "true or false"); }
  void field(const char* key, std::int64_t& value, IntRange range, const char*) override {
    if (const YAML::Node node = read(key, value, "a whole number")) check_range(key, node, value, range);
  }
  void field(const char* key, double& value, RealRange range, const char*) override {
    if (const YAML::Node node = read(key, value, "a number")) check_range(key, node, value, range);
  }
  void field(const char* key, std::string& value, const char*) override { read(key, value, "text"); }
  void field(const char* key, std::vector<std::string>& value, const char*) override {
    read(key, value, "a list");
  }
  void field(const char* key, std::optional<std::int64_t>& value, IntRange range, const char*) override {
    read_optional(key, value, range, "a whole number or none");
  }
  void field(const char* key, std::optional<double>& value, RealRange range, const char*) override {
    read_optional(key, value, range, "a number or none");
  }
  void choice(const char* key, std::string& value, std::vector<std::string> allowed, const char*) override {
    const YAML::Node node = read(key, value, "text");
    if (!node || std::find(allowed.begin(), allowed.end(), value) != allowed.end()) return;
    at_place(node, [&] { throw_unknown_name(path(key), value, allowed); });
  }
  void chosen(const char* key, Chosen& value, const Choices& choices, const char*) override {
    if (const YAML::Node node = given(key)) read_chosen(path(key), node, value, choices);
  }
  void chosen(const char* key, std::vector<Chosen>& value, const Choices& choices, const char*) override {
    const auto make = [&](std::size_t count) { value.assign(count, Chosen(std::string())); };
    read_list(key, value.size(), make, [&](const std::string& at, const YAML::Node& node, std::size_t i) {
      read_chosen(at, node, value[i], choices);
    });
  }

  void gone(const char* key, const char* instead) override { levels_.back().gone[key] = instead; }

  /// Call after the whole struct was described.
  void finish() { leave(); }

 protected:
  bool begin_section(const char* key, const char*) override {
    const YAML::Node node = given(key);
    if (!node) return false;
    enter(path(key), node);
    return true;
  }
  void end_section() override { leave(); }
  void list_of(const char* key, SectionList& list, const char*) override {
    const auto make = [&](std::size_t count) { list.assign(count); };
    read_list(key, list.size(), make, [&](const std::string& at, const YAML::Node& node, std::size_t i) {
      enter(at, node);
      list.visit(*this, i);
      leave();
    });
  }

 private:
  struct Level {
    std::string path;
    YAML::Node node;
    std::vector<std::string> known;
    const Choices* choices = nullptr;  // of a chosen part: who else could have been
    std::string part;                  // and who is
    std::map<std::string, std::string> gone = {};
  };

  [[noreturn]] void refuse(const YAML::Node& node, const std::string& why) const {
    throw Error(place(layer_, node.Mark()) + ": " + why);
  }
  /// What `look` throws without a place gets that of `node`.
  template <class Look>
  std::invoke_result_t<Look> at_place(const YAML::Node& node, const Look& look) const {
    try {
      return look();
    } catch (const Error& error) {
      refuse(node, error.what());
    }
  }

  std::string key_text(const YAML::Node& key) const {
    if (!key.IsScalar()) refuse(key, "a key must be plain text");
    return key.Scalar();
  }

  void enter(const std::string& level_path, const YAML::Node& node) {
    if (!level_path.empty()) note(level_path, node);
    if (node.IsNull()) {
      levels_.push_back({level_path, YAML::Node(YAML::NodeType::Map), {}, nullptr, {}});
      return;
    }
    if (!node.IsMap())
      refuse(node,
             (level_path.empty() ? "the file" : "'" + level_path + "'") + " must hold 'key: value' lines");
    std::set<std::string> seen;
    for (const auto& entry : node) {
      const std::string key = key_text(entry.first);
      if (!seen.insert(key).second)
        refuse(entry.first, "the key '" + key + "' stands here twice; remove one");
    }
    levels_.push_back({level_path, node, {}, nullptr, {}});
  }

  void leave() {
    const Level& level = levels_.back();
    for (const auto& entry : level.node) {
      const std::string key = key_text(entry.first);
      if (level.path.empty() && key == "extends") continue;
      if (std::find(level.known.begin(), level.known.end(), key) != level.known.end()) continue;
      std::string why = "unknown key '" + (level.path.empty() ? key : level.path + '.' + key) + '\'';
      if (const std::string owners = owners_of(key, level); !owners.empty())
        refuse(entry.first, why + ": it is an option of " + owners + ", not of '" + level.part + '\'');
      if (const auto gone = level.gone.find(key); gone != level.gone.end())
        refuse(entry.first, why + ": " + gone->second);
      const std::string near = nearest_name(key, level.known);
      why += near.empty() ? "; known here:" : "; did you mean '" + near + "'? Known here:";
      for (const auto& name : level.known) why += ' ' + name;
      refuse(entry.first, why);
    }
    levels_.pop_back();
  }

  /// The other parts that have an option `key`: "'a', 'b'".
  static std::string owners_of(const std::string& key, const Level& level) {
    std::string owners;
    if (!level.choices) return owners;
    for (const auto& choice : *level.choices) {
      const Layer nothing{YAML::Node(YAML::NodeType::Map), {}, true};
      PlaceOf nowhere;
      Reader keys(nothing, nowhere);
      choice.defaults()->visit(keys);
      const auto& known = keys.levels_.back().known;
      if (std::find(known.begin(), known.end(), key) == known.end()) continue;
      owners += (owners.empty() ? "'" : ", '") + std::string(choice.name) + '\'';
    }
    return owners;
  }

  std::string path(const std::string& key) const {
    return levels_.back().path.empty() ? key : levels_.back().path + '.' + key;
  }
  void note(const std::string& at, const YAML::Node& node) { places_[at] = place(layer_, node.Mark()); }
  /// What earlier layers gave below `at` is no more in effect.
  void forget_below(const std::string& at) {
    std::erase_if(places_, [&](const auto& one) {
      return one.first.size() > at.size() && one.first.starts_with(at) &&
             (one.first[at.size()] == '.' || one.first[at.size()] == '[');
    });
  }

  /// The value under `key`; undefined where there is none or a blank one.
  YAML::Node given(const char* key) {
    auto& known = levels_.back().known;
    DL_CHECK(std::find(known.begin(), known.end(), key) == known.end(), path(key));  // described twice
    known.emplace_back(key);
    const YAML::Node node = static_cast<const YAML::Node&>(levels_.back().node)[key];
    if (!node || !node.IsNull()) return node;
    if (!layer_.has_lines)
      refuse(node, "there is no value; for an empty text write " + path(key) + "='\"\"'");
    return YAML::Node(YAML::NodeType::Undefined);
  }

  template <class T>
  YAML::Node read(const char* key, T& value, const char* expected) {
    const YAML::Node node = given(key);
    if (node) convert(key, node, value, expected);
    return node;
  }

  template <class T, class Range>
  void read_optional(const char* key, std::optional<T>& value, Range range, const char* expected) {
    const YAML::Node node = given(key);
    if (!node) return;
    if (node.IsScalar() && node.Scalar() == kAbsent) {
      note(path(key), node);
      value.reset();
      return;
    }
    T number{};
    convert(key, node, number, expected);
    check_range(key, node, number, range);
    value = number;
  }

  template <class T>
  void convert(const char* key, const YAML::Node& node, T& value, const char* expected) {
    if (node.IsSequence()) refuse_blank_entries(path(key), node);
    try {
      value = node.as<T>();
    } catch (const YAML::Exception&) {
      refuse(node, '\'' + path(key) + "' must be " + expected + ", not '" + text_of(node) + '\'');
    }
    note(path(key), node);
  }

  void refuse_blank_entries(const std::string& at, const YAML::Node& node) const {
    for (const auto& entry : node)
      if (entry.IsNull()) refuse(node, '\'' + at + "' has a blank entry; remove it");
  }

  template <class T, class Range>
  void check_range(const char* key, const YAML::Node& node, T value, Range range) const {
    if (value >= range.min && value <= range.max) return;  // never so of a NaN
    const auto text = [](auto limit) {
      if constexpr (std::is_integral_v<decltype(limit)>) return std::to_string(limit);
      return number_text(static_cast<double>(limit));
    };
    refuse(node, '\'' + path(key) + "' must lie in [" + text(range.min) + ", " + text(range.max) + "], not " +
                     node.Scalar());
  }

  /// A whole list from its first element on, or, from the command line, single elements of the `size` there
  /// are.
  template <class Make, class Visit>
  void read_list(const char* key, std::size_t size, const Make& make, const Visit& visit) {
    const YAML::Node node = given(key);
    if (!node) return;
    const std::string at = path(key);
    if (!layer_.has_lines && node.IsMap()) return read_elements(at, node, size, visit);
    if (!node.IsSequence()) refuse(node, '\'' + at + "' must be a list, not '" + text_of(node) + '\'');
    refuse_blank_entries(at, node);
    forget_below(at);
    note(at, node);
    make(node.size());
    std::size_t index = 0;
    for (const auto& element : node) {
      visit(at + '[' + std::to_string(index) + ']', element, index);
      ++index;
    }
  }

  template <class Visit>
  void read_elements(const std::string& at, const YAML::Node& node, std::size_t size, const Visit& visit) {
    for (const auto& entry : node) {
      const std::string key = key_text(entry.first);
      const auto index = index_of(key);
      if (!index)
        refuse(node, '\'' + at + "' is a list: write " + at + "=[...], or " + at + "[0]... for one of it");
      if (*index >= size)
        refuse(node, "there is no '" + at + key + "': the list has " + std::to_string(size) +
                         (size == 1 ? " element" : " elements") + ", counted from 0");
      visit(at + key, entry.second, *index);
    }
  }

  /// `value` with an empty name is one that was not chosen before.
  void read_chosen(const std::string& at, const YAML::Node& node, Chosen& value, const Choices& choices) {
    const YAML::Node name_node = node.IsMap() ? node[kName] : node;
    std::string name = value.name();
    if (name_node && !name_node.IsNull()) {
      if (!name_node.IsScalar())
        refuse(name_node, '\'' + at + "' must be a name, or 'key: value' lines with a name");
      name = name_node.Scalar();
    }
    if (name.empty()) refuse(node, '\'' + at + "' must have a name");
    const Choice& choice = *at_place(node, [&] { return &find_choice(choices, name, at); });
    auto section = name == value.name() ? value.section(choices, at) : choice.defaults();
    if (name != value.name()) forget_below(at);
    note(at, node);
    if (name_node) note(at + '.' + kName, name_node);
    if (node.IsMap()) {
      enter(at, node);
      levels_.back().known.emplace_back(kName);
      levels_.back().choices = &choices;
      levels_.back().part = name;
      section->visit(*this);
      leave();
    }
    value = Chosen(name, std::move(section));
  }

  const Layer& layer_;
  PlaceOf& places_;
  std::vector<Level> levels_;
};

}  // namespace

void read_layer(const Layer& layer, const std::function<void(Fields&)>& describe_all, PlaceOf& places) {
  Reader reader(layer, places);
  describe_all(reader);
  reader.finish();
}

}  // namespace driftloop::config
