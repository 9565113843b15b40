#include <array>
#include <cmath>
#include <cstdio>

#include "config/check.h"
#include "config/durable_file.h"
#include "daemon/report/format.h"
#include "daemon/report/report.h"
#include "daemon/report/report_files.h"

namespace driftloop::daemon {
namespace {
using nlohmann::json;

constexpr int kSchema = 1;

json number(double value) {
  return std::isfinite(value) ? json(value) : json(nullptr);
}

json share(double value, const std::string& arm, const std::string& what) {
  DL_CHECK(!std::isfinite(value) || (value >= 0.0 && value <= 1.0), arm, what, value);
  return number(value);
}

json map_json(const std::map<std::string, double>& values) {
  json out = json::object();
  for (const auto& [key, value] : values) out[key] = number(value);
  return out;
}

const char* guard_word(Guard guard) {
  return guard == Guard::promoted ? "promoted" : guard == Guard::rolled_back ? "rolled_back" : "none";
}

constexpr std::array kRoles = {std::pair{Role::start, "start"},     std::pair{Role::alone, "alone"},
                               std::pair{Role::chance, "chance"},   std::pair{Role::choice, "choice"},
                               std::pair{Role::ceiling, "ceiling"}, std::pair{Role::control, "control"}};

json round_json(const Round& round, const std::string& arm) {
  json classes = json::object();
  for (const auto& [name, iou] : round.per_class_iou) classes[name] = share(iou, arm, name);
  for (std::int64_t count : {round.labelled_pixels, round.regions, round.clicks, round.image_pixels,
                             round.frames, round.bytes_sent, round.steps, round.memory_bytes})
    DL_CHECK(count >= 0, arm, round.round, count);
  json out = {{"round", round.round},
              {"miou", share(round.miou, arm, "miou")},
              {"per_class_iou", classes},
              {"labelled_pixels", round.labelled_pixels},
              {"regions", round.regions},
              {"frames", round.frames},
              {"bytes_sent", round.bytes_sent},
              {"steps", round.steps},
              {"seconds", map_json(round.seconds)}};
  if (!round.losses.empty()) out["losses"] = map_json(round.losses);
  if (round.clicks > 0) out["clicks"] = round.clicks;
  if (round.image_pixels > 0) out["image_pixels"] = round.image_pixels;
  if (!round.space_miou.empty()) out["space_miou"] = map_json(round.space_miou);
  if (std::isfinite(round.boundary_miou))
    out["boundary_miou"] = share(round.boundary_miou, arm, "boundary_miou");
  if (std::isfinite(round.calibration_error))
    out["calibration_error"] = share(round.calibration_error, arm, "calibration_error");
  if (round.memory_bytes > 0) out["memory_bytes"] = round.memory_bytes;
  if (round.frame_ms > 0) out["frame_ms"] = number(round.frame_ms);
  if (round.guard != Guard::none) out["guard"] = guard_word(round.guard);
  if (!round.guard_note.empty()) out["guard_note"] = round.guard_note;
  return out;
}

json arm_json(const Arm& arm) {
  json rounds = json::array();
  for (const Round& round : arm.rounds) rounds.push_back(round_json(round, arm.name));
  json out = {
      {"name", arm.name}, {"role", role_word(arm.role)}, {"weights", arm.weights}, {"rounds", rounds}};
  if (!arm.title.empty()) out["title"] = arm.title;
  if (!arm.explanation.empty()) out["explanation"] = arm.explanation;
  if (!arm.error.empty()) out["error"] = arm.error;
  if (!arm.settings.empty()) out["settings"] = arm.settings;
  return out;
}

json pictures_json(const std::vector<Picture>& pictures) {
  json out = json::array();
  for (std::size_t row = 0; row < pictures.size(); ++row) {
    json panels = json::array();
    for (std::size_t column = 0; column < pictures[row].panels.size(); ++column) {
      const Panel& panel = pictures[row].panels[column];
      panels.push_back({{"name", panel.name}, {"file", panel_file(row, column, panel)}});
    }
    out.push_back({{"title", pictures[row].title}, {"caption", pictures[row].caption}, {"panels", panels}});
  }
  return out;
}

json sheets_json(const std::vector<Sheet>& sheets) {
  json out = json::array();
  for (const Sheet& sheet : sheets) {
    for (const auto& row : sheet.rows) DL_CHECK(row.size() == sheet.heads.size(), sheet.title, row.size());
    out.push_back(
        {{"title", sheet.title}, {"note", sheet.note}, {"heads", sheet.heads}, {"rows", sheet.rows}});
  }
  return out;
}

/// A value of the document together with where it is, for the error message.
class Place {
 public:
  Place(const json& value, std::string where) : value_(value), where_(std::move(where)) {}

  Place at(const std::string& key) const {
    require(value_.is_object(), "an object");
    if (!value_.contains(key)) throw Error("report.json: " + where_ + "." + key + " is missing");
    return {value_.at(key), where_ + "." + key};
  }
  bool has(const std::string& key) const { return value_.contains(key); }
  std::vector<Place> items() const {
    require(value_.is_array(), "a list");
    std::vector<Place> out;
    for (std::size_t i = 0; i < value_.size(); ++i)
      out.emplace_back(value_[i], where_ + "[" + std::to_string(i) + "]");
    return out;
  }
  std::vector<Place> items(const std::string& key) const {
    return value_.contains(key) ? at(key).items() : std::vector<Place>{};
  }
  std::string text() const {
    require(value_.is_string(), "a text");
    return value_.get<std::string>();
  }
  std::string text(const std::string& key) const {
    return value_.contains(key) ? at(key).text() : std::string();
  }
  std::int64_t count() const {
    require(value_.is_number_integer() && (value_.is_number_unsigned() || value_.get<std::int64_t>() >= 0),
            "a whole number >= 0");
    return value_.get<std::int64_t>();
  }
  std::int64_t count(const std::string& key) const { return value_.contains(key) ? at(key).count() : 0; }
  /// A number in 0..highest, null = NaN.
  double real(double highest) const {
    if (value_.is_null()) return std::numeric_limits<double>::quiet_NaN();
    require(value_.is_number(), "a number or null");
    const double value = value_.get<double>();
    require(value >= 0.0 && value <= highest, "in 0.." + compact(highest));
    return value;
  }
  double real(const std::string& key, double highest) const {
    return value_.contains(key) ? at(key).real(highest) : 0;
  }
  std::map<std::string, double> reals(double highest) const {
    require(value_.is_object(), "an object");
    std::map<std::string, double> out;
    for (const auto& [key, value] : value_.items()) out[key] = Place(value, where_ + "." + key).real(highest);
    return out;
  }
  json object(const std::string& key) const {
    if (!value_.contains(key)) return json::object();
    at(key).require(value_.at(key).is_object(), "an object");
    return value_.at(key);
  }
  void require(bool good, const std::string& expected) const {
    if (!good) throw Error("report.json: " + where_ + " must be " + expected + ", not " + short_dump());
  }

 private:
  std::string short_dump() const {
    const std::string all = value_.dump(-1, ' ', true, json::error_handler_t::replace);
    return all.size() <= 40 ? all : all.substr(0, 37) + "...";
  }
  const json& value_;
  std::string where_;
};

constexpr double kAnySeconds = 1e12, kAnyNumber = 1e300;

Guard read_guard(const Place& place) {
  const std::string word = place.text("guard");
  for (Guard guard : {Guard::promoted, Guard::rolled_back})
    if (word == guard_word(guard)) return guard;
  if (!word.empty() && word != guard_word(Guard::none))
    place.at("guard").require(false, "promoted, rolled_back or none");
  return Guard::none;
}

Role read_role(const Place& place) {
  const std::string word = place.text("role");
  std::string known;
  for (const auto& [role, name] : kRoles) {
    if (word == name) return role;
    known += (known.empty() ? "" : ", ") + std::string(name);
  }
  if (!word.empty()) place.at("role").require(false, "one of " + known);
  return Role::choice;
}

Round read_round(const Place& place) {
  Round round;
  round.round = static_cast<int>(place.at("round").count());
  round.miou = place.at("miou").real(1.0);
  round.per_class_iou = place.at("per_class_iou").reals(1.0);
  round.labelled_pixels = place.at("labelled_pixels").count();
  round.regions = place.at("regions").count();
  round.frames = place.count("frames");
  round.bytes_sent = place.at("bytes_sent").count();
  round.steps = place.at("steps").count();
  round.seconds = place.at("seconds").reals(kAnySeconds);
  if (place.has("space_miou")) round.space_miou = place.at("space_miou").reals(1.0);
  if (place.has("boundary_miou")) round.boundary_miou = place.at("boundary_miou").real(1.0);
  if (place.has("calibration_error")) round.calibration_error = place.at("calibration_error").real(1.0);
  if (place.has("losses")) round.losses = place.at("losses").reals(kAnyNumber);
  round.clicks = place.count("clicks");
  round.image_pixels = place.count("image_pixels");
  round.memory_bytes = place.count("memory_bytes");
  round.frame_ms = place.real("frame_ms", kAnySeconds);
  round.guard = read_guard(place);
  round.guard_note = place.text("guard_note");
  return round;
}

Arm read_arm(const Place& place) {
  Arm arm;
  arm.name = place.at("name").text();
  arm.title = place.text("title");
  arm.explanation = place.text("explanation");
  arm.role = read_role(place);
  arm.weights = place.at("weights").text();
  for (const Place& round : place.at("rounds").items()) arm.rounds.push_back(read_round(round));
  arm.error = place.text("error");
  arm.settings = place.object("settings");
  return arm;
}

std::vector<std::string> read_texts(const Place& place) {
  std::vector<std::string> texts;
  for (const Place& item : place.items()) texts.push_back(item.text());
  return texts;
}

Sheet read_sheet(const Place& place) {
  Sheet sheet{place.at("title").text(), place.at("note").text(), read_texts(place.at("heads")), {}};
  for (const Place& row : place.at("rows").items()) {
    sheet.rows.push_back(read_texts(row));
    row.require(sheet.rows.back().size() == sheet.heads.size(), "as long as the heads");
  }
  return sheet;
}

Panel read_panel(const Place& place, const std::filesystem::path& folder) {
  const std::filesystem::path file = place.at("file").text();
  for (const auto& part : file)
    place.at("file").require(part != "..", "a path inside the folder of the report");
  place.at("file").require(file.is_relative(), "a relative path");
  return {place.at("name").text(), file.extension().string(), config::read_file(folder / file)};
}

}  // namespace

const char* role_word(Role role) {
  for (const auto& [known, word] : kRoles)
    if (known == role) return word;
  throw CheckError("a role without a word: " + std::to_string(static_cast<int>(role)));
}

std::string panel_file(std::size_t row, std::size_t column, const Panel& panel) {
  char head[48];
  std::snprintf(head, sizeof head, "pictures/%02zu-%zu-", row, column);
  return head + slug(panel.name) + panel.suffix;
}

json to_json(const Report& report) {
  json arms = json::array();
  for (const Arm& arm : report.arms) arms.push_back(arm_json(arm));
  json out = {{"schema", kSchema},
              {"title", report.title},
              {"seed", report.seed},
              {"config", report.config},
              {"strategy", report.strategy},
              {"source", report.source},
              {"target", report.target},
              {"label_space", report.label_space},
              {"budget", report.budget},
              {"pool_pixels", report.pool_pixels},
              {"pool_bytes", report.pool_bytes},
              {"revision", report.revision},
              {"device", report.device},
              {"command", report.command},
              {"created", report.created},
              {"notes", report.notes},
              {"arms", arms},
              {"pictures", pictures_json(report.pictures)}};
  if (!report.sheets.empty()) out["sheets"] = sheets_json(report.sheets);
  return out;
}

Report from_json(const json& document, const std::filesystem::path& folder) {
  const Place top(document, "top");
  top.require(document.is_object(), "an object");
  Report report;
  const Place seed = top.at("seed");
  seed.require(document.at("seed").is_number_unsigned(), "a whole number >= 0");
  report.seed = document.at("seed").get<std::uint64_t>();
  top.at("config");
  report.config = top.object("config");
  report.title = top.text("title");
  report.strategy = top.text("strategy");
  report.source = top.text("source");
  report.target = top.text("target");
  report.label_space = top.text("label_space");
  report.budget = top.text("budget");
  report.pool_pixels = top.count("pool_pixels");
  report.pool_bytes = top.count("pool_bytes");
  report.revision = top.text("revision");
  report.device = top.text("device");
  report.command = top.text("command");
  report.created = top.text("created");
  for (const Place& note : top.items("notes")) report.notes.push_back(note.text());
  for (const Place& arm : top.at("arms").items()) report.arms.push_back(read_arm(arm));
  for (const Place& row : top.items("pictures")) {
    Picture picture{row.at("title").text(), row.at("caption").text(), {}};
    for (const Place& panel : row.at("panels").items()) picture.panels.push_back(read_panel(panel, folder));
    report.pictures.push_back(std::move(picture));
  }
  for (const Place& sheet : top.items("sheets")) report.sheets.push_back(read_sheet(sheet));
  return report;
}

bool operator==(const Report& a, const Report& b) {
  if (to_json(a) != to_json(b)) return false;
  for (std::size_t row = 0; row < a.pictures.size(); ++row)
    for (std::size_t column = 0; column < a.pictures[row].panels.size(); ++column)
      if (a.pictures[row].panels[column].bytes != b.pictures[row].panels[column].bytes) return false;
  return true;
}

}  // namespace driftloop::daemon
