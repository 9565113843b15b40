#include "config/writer.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <sstream>

namespace driftloop::config {
namespace {

std::string yaml_number(double value) {
  if (std::isnan(value)) return ".nan";
  if (std::isinf(value)) return value < 0 ? "-.inf" : ".inf";
  return number_text(value);
}

/// The emitter takes some control characters for plain text, which does not read back.
void emit_text(YAML::Emitter& out, const std::string& text) {
  const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
  if (std::any_of(text.begin(), text.end(), is_control)) out << YAML::DoubleQuoted;
  out << text;
}

/// Explains a key once: where a list repeats it, only the first time.
class Writer : public Fields {
 public:
  explicit Writer(Comments comments) : comments_(comments) { out_ << YAML::BeginMap; }
  std::string finish() {
    out_ << YAML::EndMap;
    return std::string(out_.c_str()) + '\n';
  }

  using Fields::field;
  void field(const char* key, bool& value, const char* help) override {
    put(key, value ? "true" : "false", help);
  }
  void field(const char* key, std::int64_t& value, IntRange range, const char* help) override {
    put(key, std::to_string(value), help + in_brackets(range_text(range)));
  }
  void field(const char* key, double& value, RealRange range, const char* help) override {
    put(key, yaml_number(value), help + in_brackets(range_text(range)));
  }
  void field(const char* key, std::string& value, const char* help) override { put(key, value, help); }
  void field(const char* key, std::vector<std::string>& value, const char* help) override {
    out_ << YAML::Key << key << YAML::Value << YAML::Flow << YAML::BeginSeq;
    for (const auto& text : value) emit_text(out_, text);
    out_ << YAML::EndSeq;
    explain(key, help);
  }
  void field(const char* key, std::optional<std::int64_t>& value, IntRange range, const char* help) override {
    put(key, value ? std::to_string(*value) : "none", help + in_brackets(or_none(range_text(range))));
  }
  void field(const char* key, std::optional<double>& value, RealRange range, const char* help) override {
    put(key, value ? yaml_number(*value) : "none", help + in_brackets(or_none(range_text(range))));
  }
  void choice(const char* key, std::string& value, std::vector<std::string> allowed,
              const char* help) override {
    put(key, value, help + one_of(allowed));
  }
  void chosen(const char* key, Chosen& value, const Choices& choices, const char* help) override {
    out_ << YAML::Key << key << YAML::Value;
    put_chosen(key, value, choices, help + one_of(names(choices)));
  }
  void chosen(const char* key, std::vector<Chosen>& value, const Choices& choices,
              const char* help) override {
    begin_list(key, help + one_of(names(choices)), value.empty());
    for (auto& one : value) put_chosen(std::string(key) + "[]", one, choices, "");
    out_ << YAML::EndSeq;
  }

 protected:
  bool begin_section(const char* key, const char* help) override {
    out_ << YAML::Key << key;
    explain(key, help);
    out_ << YAML::Value << YAML::BeginMap;
    path_.emplace_back(key);
    return true;
  }
  void end_section() override {
    path_.pop_back();
    out_ << YAML::EndMap;
  }
  void list_of(const char* key, SectionList& list, const char* help) override {
    begin_list(key, help, list.size() == 0);
    path_.push_back(std::string(key) + "[]");
    for (std::size_t i = 0; i < list.size(); ++i) {
      out_ << YAML::BeginMap;
      list.visit(*this, i);
      out_ << YAML::EndMap;
    }
    path_.pop_back();
    out_ << YAML::EndSeq;
  }

 private:
  void put(const std::string& key, const std::string& value, const std::string& help) {
    out_ << YAML::Key << key << YAML::Value;
    emit_text(out_, value);
    explain(key, help);
  }

  void begin_list(const char* key, const std::string& help, bool is_empty) {
    out_ << YAML::Key << key;
    explain(key, help);
    out_ << YAML::Value;
    if (is_empty) out_ << YAML::Flow;
    out_ << YAML::BeginSeq;
  }

  /// As a name alone where that part has no options.
  void put_chosen(const std::string& key, const Chosen& value, const Choices& choices,
                  const std::string& help) {
    const Choice& choice = find_choice(choices, value.name(), key);
    const auto section = value.section(choices, key);
    if (!has_fields(*section)) {
      out_ << value.name();
      explain(key, help);
      return;
    }
    explain(key, help);
    out_ << YAML::BeginMap;
    path_.push_back(key + '<' + value.name() + '>');
    put("name", value.name(), std::string(choice.help));
    section->visit(*this);
    path_.pop_back();
    out_ << YAML::EndMap;
  }
  static bool has_fields(Section& section) {
    Writer alone(Comments::none);
    section.visit(alone);
    return alone.finish() != "{}\n";
  }

  void explain(const std::string& key, const std::string& help) {
    if (comments_ == Comments::none || help.empty()) return;
    std::string whole;
    for (const auto& part : path_) whole += part + '.';
    if (explained_.insert(whole + key).second) out_ << YAML::Comment(help);
  }

  static std::string range_text(IntRange range) {
    constexpr std::int64_t kUnbounded = std::int64_t{1} << 30;
    return range_text(range.min < -kUnbounded ? "" : std::to_string(range.min),
                      range.max > kUnbounded ? "" : std::to_string(range.max));
  }
  static std::string range_text(RealRange range) {
    constexpr double kUnbounded = 1e9;
    return range_text(range.min < -kUnbounded ? "" : number_text(range.min),
                      range.max > kUnbounded ? "" : number_text(range.max));
  }
  static std::string range_text(const std::string& min, const std::string& max) {
    return min.empty() && max.empty() ? "" : min + ".." + max;
  }
  static std::string or_none(const std::string& range) {
    return (range.empty() ? "a number" : range) + " or none";
  }
  static std::string in_brackets(const std::string& text) { return text.empty() ? text : " [" + text + ']'; }
  static std::string one_of(const std::vector<std::string>& names) {
    std::string text = " (one of:";
    for (const auto& name : names) text += ' ' + name;
    return text + ')';
  }
  static std::vector<std::string> names(const Choices& choices) {
    std::vector<std::string> names;
    for (const auto& choice : choices) names.emplace_back(choice.name);
    return names;
  }

  Comments comments_;
  YAML::Emitter out_;
  std::vector<std::string> path_;
  std::set<std::string> explained_;
};

YAML::Node in_one_line(YAML::Node node) {
  if (!node.IsScalar()) node.SetStyle(YAML::EmitterStyle::Flow);
  if (node.IsSequence())
    for (auto&& element : node) in_one_line(element);
  if (node.IsMap())
    for (auto&& entry : node) in_one_line(entry.second);
  return node;
}

void add_lines(const YAML::Node& node, const std::string& path, std::vector<std::string>& lines) {
  if (node.IsMap() && node.size() > 0) {
    for (const auto& entry : node)
      add_lines(entry.second, (path.empty() ? "" : path + '.') + entry.first.Scalar(), lines);
    return;
  }
  YAML::Emitter value;
  value << in_one_line(YAML::Clone(node));
  if (!path.empty()) lines.push_back(path + ": " + value.c_str());
}

}  // namespace

std::string number_text(double value) {
  std::ostringstream out;
  out.precision(17);
  out << value;
  double back = 0;
  for (int digits = 6; digits < 17; ++digits) {
    std::ostringstream brief;
    brief.precision(digits);
    brief << value;
    std::istringstream(brief.str()) >> back;
    if (back == value) return brief.str();
  }
  return out.str();
}

std::string to_yaml_with(const std::function<void(Fields&)>& describe_all, Comments comments) {
  Writer writer(comments);
  describe_all(writer);
  return writer.finish();
}

std::vector<std::string> to_lines_with(const std::function<void(Fields&)>& describe_all) {
  std::vector<std::string> lines;
  add_lines(YAML::Load(to_yaml_with(describe_all, Comments::none)), "", lines);
  return lines;
}

}  // namespace driftloop::config
