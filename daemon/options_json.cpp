#include "daemon/options_json.h"

#include <vector>

namespace driftloop::daemon {
namespace {

class JsonFields : public config::Fields {
 public:
  explicit JsonFields(nlohmann::json& root) : levels_{&root} {}
  using Fields::field;
  void field(const char* key, bool& value, const char*) override { put(key, value); }
  void field(const char* key, std::int64_t& value, config::IntRange, const char*) override {
    put(key, value);
  }
  void field(const char* key, double& value, config::RealRange, const char*) override { put(key, value); }
  void field(const char* key, std::string& value, const char*) override { put(key, value); }
  void field(const char* key, std::vector<std::string>& value, const char*) override { put(key, value); }
  void field(const char* key, std::optional<std::int64_t>& value, config::IntRange, const char*) override {
    put_optional(key, value);
  }
  void field(const char* key, std::optional<double>& value, config::RealRange, const char*) override {
    put_optional(key, value);
  }
  void choice(const char* key, std::string& value, std::vector<std::string>, const char*) override {
    put(key, value);
  }
  void chosen(const char* key, config::Chosen& value, const config::Choices& choices, const char*) override {
    put_chosen((*levels_.back())[key], value, choices);
  }
  void chosen(const char* key, std::vector<config::Chosen>& value, const config::Choices& choices,
              const char*) override {
    nlohmann::json& list = (*levels_.back())[key] = nlohmann::json::array();
    for (const auto& one : value) put_chosen(list.emplace_back(), one, choices);
  }

 protected:
  bool begin_section(const char* key, const char*) override {
    levels_.push_back(&((*levels_.back())[key] = nlohmann::json::object()));
    return true;
  }
  void end_section() override { levels_.pop_back(); }
  void list_of(const char* key, config::SectionList& list, const char*) override {
    nlohmann::json& all = (*levels_.back())[key] = nlohmann::json::array();
    for (std::size_t i = 0; i < list.size(); ++i) {
      levels_.push_back(&all.emplace_back(nlohmann::json::object()));
      list.visit(*this, i);
      levels_.pop_back();
    }
  }

 private:
  template <class T>
  void put(const char* key, const T& value) {
    (*levels_.back())[key] = value;
  }
  template <class T>
  void put_optional(const char* key, const std::optional<T>& value) {
    if (value)
      put(key, *value);
    else
      put(key, nullptr);
  }
  void put_chosen(nlohmann::json& place, const config::Chosen& value, const config::Choices& choices) {
    place = {{"name", value.name()}};
    levels_.push_back(&place);
    value.section(choices, "part")->visit(*this);
    levels_.pop_back();
  }

  std::vector<nlohmann::json*> levels_;
};

}  // namespace

nlohmann::json to_json_with(const std::function<void(config::Fields&)>& describe_all) {
  nlohmann::json root = nlohmann::json::object();
  JsonFields fields(root);
  describe_all(fields);
  return root;
}

}  // namespace driftloop::daemon
