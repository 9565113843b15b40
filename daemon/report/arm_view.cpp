#include "daemon/report/arm_view.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <map>
#include <set>

#include "config/label_space.h"

namespace driftloop::daemon {
namespace {

struct RoleText {
  Role role;
  const char* absent;  // what is not there without it; nullptr = nobody misses it
  int colours;         // --arm-<word> in page.css; several: --arm-<word>-0 and on
};
constexpr std::array kRoles{RoleText{Role::start, "a start that never adapts", 1},
                            RoleText{Role::alone, "self-training without labels", 1},
                            RoleText{Role::chance, "regions drawn by lot", 1},
                            RoleText{Role::ceiling, "labels for every pixel", 1},
                            RoleText{Role::choice, nullptr, 4},
                            RoleText{Role::control, nullptr, 3}};

std::string colour_of(Role role, int before) {
  const auto text =
      std::find_if(kRoles.begin(), kRoles.end(), [&](const RoleText& t) { return t.role == role; });
  const std::string word = role_word(role);
  return "var(--arm-" + (text->colours == 1 ? word : word + '-' + std::to_string(before % text->colours)) +
         ')';
}

std::string hex_colour(std::size_t train_id) {
  const auto& rgb = config::class_colours_rgb()[train_id];
  std::array<char, 8> text{};
  std::snprintf(text.data(), text.size(), "#%02x%02x%02x", rgb[0], rgb[1], rgb[2]);
  return text.data();
}

}  // namespace

const Round* last_measured(const Arm& arm) {
  for (auto round = arm.rounds.rbegin(); round != arm.rounds.rend(); ++round)
    if (std::isfinite(round->miou)) return &*round;
  return nullptr;
}

double final_miou(const Arm& arm) {
  const Round* round = last_measured(arm);
  return round ? round->miou : std::numeric_limits<double>::quiet_NaN();
}

std::vector<ArmView> arm_views(const Report& report) {
  std::vector<ArmView> views;
  std::map<Role, int> before;
  for (const Arm& arm : report.arms)
    views.push_back({&arm, title_of(arm), colour_of(arm.role, before[arm.role]++),
                     arm.role == Role::choice || &arm == main_arm(report)});
  return views;
}

const std::string& title_of(const Arm& arm) {
  return arm.title.empty() ? arm.name : arm.title;
}

const Arm* find_arm(const Report& report, Role role) {
  const Arm* first = nullptr;
  for (const Arm& arm : report.arms) {
    if (arm.role != role || !last_measured(arm)) continue;
    if (arm.name == report.strategy) return &arm;
    if (!first) first = &arm;
  }
  return first;
}

const Arm* main_arm(const Report& report) {
  for (const Arm& arm : report.arms)
    if (arm.name == report.strategy && (arm.role == Role::choice || arm.role == Role::chance) &&
        last_measured(arm))
      return &arm;
  return find_arm(report, Role::choice);
}

std::vector<std::string> missing_roles(const Report& report) {
  std::vector<std::string> missing;
  for (const RoleText& text : kRoles)
    if (text.absent && !find_arm(report, text.role)) missing.emplace_back(text.absent);
  return missing;
}

std::vector<ClassView> class_views(const Report& report) {
  std::set<std::string> measured;
  for (const Arm& arm : report.arms)
    for (const Round& round : arm.rounds)
      for (const auto& [name, iou] : round.per_class_iou) measured.insert(name);
  if (measured.empty()) {
    const auto spaces = config::label_space_names();
    const bool known = std::find(spaces.begin(), spaces.end(), report.label_space) != spaces.end();
    for (int id : config::label_space(known ? report.label_space : "cityscapes19").scored)
      measured.emplace(config::class_names()[static_cast<std::size_t>(id)]);
  }
  std::vector<ClassView> views;
  for (std::size_t id = 0; id < config::class_names().size(); ++id)
    if (measured.erase(std::string(config::class_names()[id])) > 0)
      views.push_back({std::string(config::class_names()[id]), hex_colour(id)});
  for (const std::string& name : measured) views.push_back({name, {}});
  return views;
}

}  // namespace driftloop::daemon
