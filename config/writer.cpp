#include "config/writer.h"

#include <yaml-cpp/yaml.h>

#include <sstream>

namespace driftloop::config {
namespace {

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
    put(key, std::to_string(value), with_range(help, range.min, range.max, std::int64_t{1} << 30));
  }
  void field(const char* key, double& value, RealRange range, const char* help) override {
    put(key, number_text(value), with_range(help, range.min, range.max, 1e9));
  }
  void field(const char* key, std::string& value, const char* help) override {
    out_ << YAML::Key << key << YAML::Value << value;
    comment(help);
  }
  void field(const char* key, std::vector<std::string>& value, const char* help) override {
    out_ << YAML::Key << key << YAML::Value << YAML::Flow << value;
    comment(help);
  }
  void choice(const char* key, std::string& value, std::vector<std::string> allowed,
              const char* help) override {
    std::string text = std::string(help) + " (one of:";
    for (const auto& name : allowed) text += ' ' + name;
    field(key, value, (text + ')').c_str());
  }

 protected:
  bool begin_section(const char* key, const char* help) override {
    out_ << YAML::Key << key;
    comment(help);
    out_ << YAML::Value << YAML::BeginMap;
    return true;
  }
  void end_section() override { out_ << YAML::EndMap; }

 private:
  void put(const char* key, const std::string& plain, const std::string& help) {
    out_ << YAML::Key << key << YAML::Value << plain;
    comment(help);
  }
  void comment(const std::string& help) {
    if (comments_ == Comments::help && !help.empty()) out_ << YAML::Comment(help);
  }
  template <class T>
  static std::string with_range(const char* help, T min, T max, T unbounded) {
    if (min < -unbounded && max > unbounded) return help;
    return std::string(help) + " [" + (min < -unbounded ? "" : number_text(static_cast<double>(min))) + ".." +
           (max > unbounded ? "" : number_text(static_cast<double>(max))) + ']';
  }

  Comments comments_;
  YAML::Emitter out_;
};

}  // namespace

std::string number_text(double value) {
  std::ostringstream out;
  out.precision(17);
  out << value;
  double back = 0;
  for (int digits = 6; digits < 17; ++digits) {  // the shortest text that reads back to the same number
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

}  // namespace driftloop::config
