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
  void choice(const char* key, std::string& value, std::vector<std::string>, const char*) override {
    put(key, value);
  }

 protected:
  bool begin_section(const char* key, const char*) override {
    levels_.push_back(&((*levels_.back())[key] = nlohmann::json::object()));
    return true;
  }
  void end_section() override { levels_.pop_back(); }

 private:
  template <class T>
  void put(const char* key, const T& value) {
    (*levels_.back())[key] = value;
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
