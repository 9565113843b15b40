// Every setting below an option struct, with its help: what lists hold and what each line of a table can
// have, too.
#pragma once
#include <string>
#include <vector>

#include "config/fields.h"

namespace driftloop::test {

class SettingsWalk : public config::Fields {
 public:
  struct Setting {
    std::string path;  // "section.key", "list[].key", "key<part>.key"
    std::string help;
  };
  template <class Options>
  explicit SettingsWalk(Options options) {
    describe(*this, options);
  }
  const std::vector<Setting>& settings() const { return settings_; }

  using Fields::field;
  void field(const char* key, bool&, const char* help) override { add(key, help); }
  void field(const char* key, std::int64_t&, config::IntRange, const char* help) override { add(key, help); }
  void field(const char* key, double&, config::RealRange, const char* help) override { add(key, help); }
  void field(const char* key, std::string&, const char* help) override { add(key, help); }
  void field(const char* key, std::vector<std::string>&, const char* help) override { add(key, help); }
  void field(const char* key, std::optional<std::int64_t>&, config::IntRange, const char* help) override {
    add(key, help);
  }
  void field(const char* key, std::optional<double>&, config::RealRange, const char* help) override {
    add(key, help);
  }
  void choice(const char* key, std::string&, std::vector<std::string>, const char* help) override {
    add(key, help);
  }
  void chosen(const char* key, config::Chosen&, const config::Choices& choices, const char* help) override {
    walk(key, choices, help);
  }
  void chosen(const char* key, std::vector<config::Chosen>&, const config::Choices& choices,
              const char* help) override {
    walk(key, choices, help);
  }

 protected:
  bool begin_section(const char* key, const char* help) override {
    add(key, help);
    path_.push_back(std::string(key) + '.');
    return true;
  }
  void end_section() override { path_.pop_back(); }
  void list_of(const char* key, config::SectionList& list, const char* help) override {
    add(key, help);
    list.assign(1);
    path_.push_back(std::string(key) + "[].");
    list.visit(*this, 0);
    path_.pop_back();
  }

 private:
  void add(const std::string& key, const std::string& help) {
    std::string path;
    for (const auto& part : path_) path += part;
    settings_.push_back({path + key, help});
  }
  void walk(const std::string& key, const config::Choices& choices, const char* help) {
    add(key, help);
    for (const auto& choice : choices) {
      const std::string part = key + '<' + std::string(choice.name) + '>';
      add(part, std::string(choice.help));
      path_.push_back(part + '.');
      choice.defaults()->visit(*this);
      path_.pop_back();
    }
  }

  std::vector<std::string> path_;
  std::vector<Setting> settings_;
};

/// The settings whose help is too short to say anything: fewer than three words. For people there is
/// no other text.
inline std::vector<std::string> unexplained(const SettingsWalk& walk) {
  constexpr int kFewestWords = 3;
  std::vector<std::string> found;
  for (const auto& [path, help] : walk.settings()) {
    int words = 0;
    bool inside = false;
    for (const char c : help) {
      words += c != ' ' && !inside;
      inside = c != ' ';
    }
    if (words < kFewestWords) found.push_back(path + ": '" + help + '\'');
  }
  return found;
}

}  // namespace driftloop::test
