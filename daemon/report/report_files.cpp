#include "daemon/report/report_files.h"

#include <algorithm>

#include "config/check.h"
#include "config/durable_file.h"
#include "daemon/report/page.h"

namespace driftloop::daemon {
namespace fs = std::filesystem;
namespace {
using nlohmann::json;

/// The settings of `mine` that `base` lacks or holds with another value: "adapt.steps" -> 80.
json differences(const json& base, const json& mine) {
  json out = json::object();
  const json flat_base = base.flatten();
  const json flat_mine = mine.flatten();
  for (const auto& [pointer, value] : flat_mine.items()) {
    if (flat_base.contains(pointer) && flat_base[pointer] == value) continue;
    std::string key = pointer.substr(std::min<std::size_t>(1, pointer.size()));
    std::replace(key.begin(), key.end(), '/', '.');
    out[key] = value;
  }
  return out;
}

void fill(std::string& value, const std::string& other) {
  if (value.empty()) value = other;
}

void require_same(const std::string& what, const std::string& first, const std::string& other,
                  const Report& part) {
  if (first == other) return;
  const std::string arm = part.arms.empty() ? "(no arm)" : part.arms.front().name;
  throw Error("cannot put the parts of a report together: the part of arm " + arm + " has " + what + " " +
              other + ", the first part " + first + "; run all arms with the same " + what);
}

void add_part(Report& report, const Report& part) {
  require_same("seed", std::to_string(report.seed), std::to_string(part.seed), part);
  require_same("label space", report.label_space, part.label_space, part);
  for (Arm arm : part.arms) {
    for (const Arm& known : report.arms)
      if (known.name == arm.name)
        throw Error("cannot put the parts of a report together: arm " + arm.name +
                    " is in two of them; remove one");
    if (arm.settings.empty()) arm.settings = differences(report.config, part.config);
    report.arms.push_back(std::move(arm));
  }
  for (auto member : {&Report::strategy, &Report::source, &Report::target, &Report::budget, &Report::revision,
                      &Report::device, &Report::command, &Report::created})
    fill(report.*member, part.*member);
  if (report.pool_pixels == 0) report.pool_pixels = part.pool_pixels;
  for (const std::string& note : part.notes)
    if (std::find(report.notes.begin(), report.notes.end(), note) == report.notes.end())
      report.notes.push_back(note);
  report.pictures.insert(report.pictures.end(), part.pictures.begin(), part.pictures.end());
}

}  // namespace

Report merge(const std::vector<Report>& parts) {
  DL_CHECK(!parts.empty(), parts.size());
  Report report = parts.front();
  report.arms.clear();
  report.pictures.clear();
  for (const Report& part : parts) add_part(report, part);
  return report;
}

void write_part(const Report& part, const fs::path& folder) {
  const std::string document = to_json(part).dump(2, ' ', false, json::error_handler_t::replace);
  config::make_folder(folder);
  if (!part.pictures.empty()) config::make_folder(folder / "pictures");
  for (std::size_t row = 0; row < part.pictures.size(); ++row)
    for (std::size_t column = 0; column < part.pictures[row].panels.size(); ++column) {
      const Panel& panel = part.pictures[row].panels[column];
      config::write_durably(folder / panel_file(row, column, panel), panel.bytes);
    }
  config::write_durably(folder / "report.json", document + "\n");
}

void write_report(const Report& report, const fs::path& folder) {
  write_part(report, folder);
  config::write_durably(folder / "report.html", render_page(report));
}

Report read_report(const fs::path& folder) {
  const fs::path file = folder / "report.json";
  const json document = json::parse(config::read_file(file), nullptr, false);
  if (document.is_discarded()) throw Error("cannot read " + file.string() + ": it is not JSON; run it again");
  try {
    return from_json(document, folder);
  } catch (const Error& error) {
    throw Error("cannot read " + file.string() + ": " + error.what());
  }
}

Report read_parts(const fs::path& folder, const std::vector<fs::path>& part_folders) {
  std::vector<Report> parts;
  for (const fs::path& part_folder : part_folders) {
    parts.push_back(read_report(folder / part_folder));
    for (Arm& arm : parts.back().arms)
      if (!arm.weights.empty()) arm.weights = (part_folder / arm.weights).lexically_normal().generic_string();
  }
  if (parts.empty())
    throw Error("no arm of the run in " + folder.string() + " left a result: nothing to report");
  return merge(parts);
}

}  // namespace driftloop::daemon
