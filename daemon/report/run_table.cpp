#include "daemon/report/run_table.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <set>

#include "config/check.h"
#include "daemon/report/arm_view.h"
#include "daemon/report/format.h"

namespace driftloop::daemon {
namespace fs = std::filesystem;
namespace {
using nlohmann::json;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

/// The 97.5 % quantile of Student's t.
double student_t(int freedom) {
  constexpr std::array kQuantiles{12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
                                  2.201,  2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
                                  2.080,  2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042};
  if (freedom < 1) return kNone;
  return freedom <= static_cast<int>(kQuantiles.size()) ? kQuantiles[static_cast<std::size_t>(freedom - 1)]
                                                        : 1.96;
}

/// Everything that results depend on, but the arms, which are put together, and the machine.
std::string benchmark_of(const Report& report) {
  json config = report.config;
  for (const char* key : {"arms", "variants", "jobs", "save_seconds", "title", "published"})
    config.erase(key);
  if (config.contains("engine"))
    for (const char* key : {"threads", "device"}) config["engine"].erase(key);
  return config.dump();
}

/// What the run calls by this name, where that is an arm of its own.
json variant_of(const Report& report, const std::string& arm) {
  for (const json& variant : report.config.value("variants", json::array()))
    if (variant.value("name", "") == arm) return variant;
  return {};
}

/// One arm of one run.
struct Result {
  const FoundRun* run;
  const Arm* arm;
};
using Results = std::map<std::uint64_t, Result>;  // by seed

double seconds_of(const Arm& arm) {
  double seconds = 0;
  for (const Round& round : arm.rounds)
    for (const auto& [stage, s] : round.seconds)
      if (stage != "evaluate" && stage != "label" && std::isfinite(s)) seconds += s;
  return seconds;
}

double labeller_seconds(const Round& round, const LabourModel& labour) {
  return static_cast<double>(round.clicks) * labour.seconds_per_click +
         1e-6 * static_cast<double>(round.image_pixels) * labour.seconds_per_megapixel;
}

/// Means of the rounds that all of them have.
std::vector<Round> mean_rounds(const Results& results) {
  std::size_t rounds = SIZE_MAX;
  for (const auto& [seed, result] : results) rounds = std::min(rounds, result.arm->rounds.size());
  std::vector<Round> means;
  for (std::size_t r = 0; r < rounds; ++r) {
    Round mean = results.begin()->second.arm->rounds[r];
    const auto average = [&](const auto& value_of) {
      double sum = 0;
      for (const auto& [seed, result] : results) sum += value_of(result.arm->rounds[r]);
      return sum / static_cast<double>(results.size());
    };
    mean.miou = average([](const Round& round) { return round.miou; });
    for (auto& [name, iou] : mean.per_class_iou)
      iou = average([&](const Round& round) {
        const auto found = round.per_class_iou.find(name);
        return found == round.per_class_iou.end() ? kNone : found->second;
      });
    for (auto& [name, miou] : mean.space_miou)
      miou = average([&](const Round& round) {
        const auto found = round.space_miou.find(name);
        return found == round.space_miou.end() ? kNone : found->second;
      });
    for (auto member : {&Round::labelled_pixels, &Round::regions, &Round::clicks, &Round::image_pixels,
                        &Round::frames, &Round::bytes_sent, &Round::steps})
      mean.*member =
          std::llround(average([&](const Round& round) { return static_cast<double>(round.*member); }));
    mean.guard = Guard::none;  // each seed has its own
    mean.guard_note.clear();
    means.push_back(std::move(mean));
  }
  return means;
}

const Results* of_role(const std::vector<std::pair<std::string, Results>>& arms, Role role) {
  for (const auto& [name, results] : arms)
    if (results.begin()->second.arm->role == role) return &results;
  return nullptr;
}

/// The last mIoU of both arms of each seed that both have.
std::vector<std::pair<double, double>> pairs_of(const Results& a, const Results& b) {
  std::vector<std::pair<double, double>> pairs;
  for (const auto& [seed, mine] : a)
    if (const auto other = b.find(seed); other != b.end()) {
      const double x = final_miou(*mine.arm), y = final_miou(*other->second.arm);
      if (std::isfinite(x) && std::isfinite(y)) pairs.emplace_back(x, y);
    }
  return pairs;
}

ArmResult result_of(const Results& results, const Results* ceiling, const Results* chance,
                    const LabourModel& labour) {
  ArmResult out;
  out.arm = *results.begin()->second.arm;
  out.arm.weights.clear();
  out.arm.rounds = mean_rounds(results);
  std::vector<double> last;
  std::map<std::string, std::vector<double>> spaces;
  const double share = 1 / static_cast<double>(results.size());
  for (const auto& [seed, result] : results) {
    const Round* round = last_measured(*result.arm);
    if (round == nullptr) continue;
    last.push_back(round->miou);
    for (const auto& [space, miou] : round->space_miou) spaces[space].push_back(miou);
    out.pixels += share * static_cast<double>(round->labelled_pixels);
    out.clicks += share * static_cast<double>(round->clicks);
    out.frames += share * static_cast<double>(round->frames);
    out.bytes += share * static_cast<double>(round->bytes_sent);
    out.labeller_s += share * labeller_seconds(*round, labour);
    out.compute_s += share * seconds_of(*result.arm);
  }
  out.miou = spread_of(last);
  for (const auto& [space, values] : spaces) out.space_miou[space] = spread_of(values);
  if (ceiling != nullptr) {
    std::vector<double> shares;
    for (const auto& [mine, top] : pairs_of(results, *ceiling))
      if (top > 0) shares.push_back(mine / top);
    out.of_ceiling = spread_of(shares);
  }
  if (chance != nullptr && chance != &results) {
    std::vector<double> differences;
    for (const auto& [mine, lot] : pairs_of(results, *chance)) differences.push_back(mine - lot);
    if (!differences.empty()) out.against_chance = difference_of(differences);
  }
  return out;
}

RunTable table_of(const std::vector<const FoundRun*>& runs, const LabourModel& labour) {
  RunTable table;
  table.head = runs.front()->report;
  table.head.arms.clear();
  table.head.pictures.clear();
  std::vector<std::pair<std::string, Results>> arms;  // in the order in which they were met
  std::set<std::uint64_t> seeds;
  for (const FoundRun* run : runs) {
    seeds.insert(run->report.seed);
    for (const Arm& arm : run->report.arms) {
      auto place = std::find_if(arms.begin(), arms.end(), [&](const auto& a) { return a.first == arm.name; });
      if (place == arms.end()) place = arms.insert(arms.end(), {arm.name, {}});
      for (const auto& [seed, other] : place->second)
        if (variant_of(other.run->report, arm.name) != variant_of(run->report, arm.name))
          throw Error("the arm '" + arm.name + "' has other settings in " + run->folder.string() +
                      " than in " + other.run->folder.string() + ": give one of them");
      const auto [known, is_new] = place->second.try_emplace(run->report.seed, Result{run, &arm});
      if (!is_new)
        throw Error("the arm '" + arm.name + "' was run twice with seed " + std::to_string(run->report.seed) +
                    ": in " + known->second.run->folder.string() + " and " + run->folder.string() +
                    "; give one of them");
    }
  }
  table.seeds.assign(seeds.begin(), seeds.end());
  const Results* ceiling = of_role(arms, Role::ceiling);
  const Results* chance = of_role(arms, Role::chance);
  for (const auto& [name, results] : arms) table.arms.push_back(result_of(results, ceiling, chance, labour));
  for (const json& row : runs.front()->report.config.value("published", json::array()))
    table.published.push_back({row.at("method").get<std::string>(),
                               row.at("miou_percent").get<double>() / 100, row.value("label_space", "")});
  return table;
}

std::string with_spread(const Spread& spread) {
  if (spread.values == 0) return "–";
  return points(spread.mean) + (spread.values > 1 ? " ± " + points(spread.deviation) : "");
}

std::string difference_text(const std::optional<Difference>& difference) {
  if (!difference) return "–";
  std::string text = signed_points(difference->mean);
  if (difference->pairs > 1)
    text += " ± " + points(difference->half_width) + ", " + std::to_string(difference->ahead) + " of " +
            std::to_string(difference->pairs);
  return text;
}

std::string or_dash(double value, const std::string& text) {
  return value > 0 ? text : "–";
}

/// Columns that a text takes on a terminal: UTF-8 characters.
std::size_t columns(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

}  // namespace

Spread spread_of(const std::vector<double>& values) {
  Spread spread;
  spread.values = static_cast<int>(values.size());
  if (values.empty()) return spread;
  spread.mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  if (values.size() < 2) return spread;
  double squares = 0;
  for (const double value : values) squares += (value - spread.mean) * (value - spread.mean);
  spread.deviation = std::sqrt(squares / static_cast<double>(values.size() - 1));
  return spread;
}

Difference difference_of(const std::vector<double>& differences) {
  const Spread spread = spread_of(differences);
  Difference out;
  out.mean = spread.mean;
  out.pairs = spread.values;
  out.ahead =
      static_cast<int>(std::count_if(differences.begin(), differences.end(), [](double d) { return d > 0; }));
  if (spread.values > 1)
    out.half_width =
        student_t(spread.values - 1) * spread.deviation / std::sqrt(static_cast<double>(spread.values));
  return out;
}

std::vector<FoundRun> find_runs(const std::vector<fs::path>& folders) {
  std::vector<FoundRun> runs;
  for (const auto& folder : folders) {
    if (!fs::is_directory(folder)) throw Error("no such folder: " + folder.string());
    std::set<fs::path> found;
    if (fs::exists(folder / "run.yaml")) {
      found.insert(folder);
    } else {
      for (const auto& entry : fs::directory_iterator(folder))
        if (entry.is_directory() && fs::exists(entry.path() / "run.yaml")) found.insert(entry.path());
    }
    if (found.empty())
      throw Error(folder.string() +
                  " holds no run of driftloop bench (no run.yaml, in it or one folder below)");
    for (const auto& run : found) {
      if (!fs::exists(run / "report.json"))
        throw Error(run.string() + " holds a run that has not ended: its command goes on (" +
                    (run / "command.txt").string() + ")");
      runs.push_back({run, read_report(run)});
    }
  }
  return runs;
}

std::vector<RunTable> run_tables(const std::vector<FoundRun>& runs, const LabourModel& labour) {
  std::vector<std::pair<std::string, std::vector<const FoundRun*>>> benchmarks;
  for (const auto& run : runs) {
    const std::string key = benchmark_of(run.report);
    auto place =
        std::find_if(benchmarks.begin(), benchmarks.end(), [&](const auto& b) { return b.first == key; });
    if (place == benchmarks.end()) place = benchmarks.insert(benchmarks.end(), {key, {}});
    place->second.push_back(&run);
  }
  std::vector<RunTable> tables;
  for (const auto& [key, of_benchmark] : benchmarks) tables.push_back(table_of(of_benchmark, labour));
  return tables;
}

Sheet sheet_of(const RunTable& table) {
  std::string seeds;
  for (const auto seed : table.seeds) seeds += (seeds.empty() ? "" : ", ") + std::to_string(seed);
  Sheet sheet;
  sheet.title = table.head.title;
  sheet.note =
      std::to_string(table.seeds.size()) + (table.seeds.size() == 1 ? " seed (" : " seeds (") + seeds +
      "). mIoU in %, mean ± standard deviation after the last round. Against random: differences seed by "
      "seed, mean ± half of the 95 % interval (Student's t), and how often ahead. Time of a labeller by "
      "clicks and, for whole images, by pixels; device time without scoring, on " +
      table.head.device + '.';
  std::set<std::string> spaces;
  for (const auto& arm : table.arms)
    for (const auto& [space, spread] : arm.space_miou)
      if (space != table.head.label_space) spaces.insert(space);
  sheet.heads = {"Arm", "mIoU"};
  for (const auto& space : spaces) sheet.heads.push_back(space);
  for (const char* head : {"Of ceiling", "Against random", "Pixels", "Of pool", "Clicks", "Images", "Sent",
                           "Labeller", "Device"})
    sheet.heads.emplace_back(head);
  for (const auto& arm : table.arms) {
    std::vector<std::string> row{title_of(arm.arm), with_spread(arm.miou)};
    for (const auto& space : spaces) {
      const auto found = arm.space_miou.find(space);
      row.push_back(found == arm.space_miou.end() ? "–" : with_spread(found->second));
    }
    row.push_back(arm.of_ceiling.values > 0 ? percent(arm.of_ceiling.mean) : "–");
    row.push_back(difference_text(arm.against_chance));
    row.push_back(count(std::llround(arm.pixels)));
    row.push_back(
        table.head.pool_pixels > 0 ? percent(arm.pixels / static_cast<double>(table.head.pool_pixels)) : "–");
    row.push_back(or_dash(arm.clicks, count(std::llround(arm.clicks))));
    row.push_back(or_dash(arm.frames, count(std::llround(arm.frames))));
    row.push_back(or_dash(arm.bytes, bytes(std::llround(arm.bytes))));
    row.push_back(or_dash(arm.labeller_s, duration(arm.labeller_s)));
    row.push_back(duration(arm.compute_s));
    sheet.rows.push_back(std::move(row));
  }
  for (const auto& published : table.published) {
    std::vector<std::string> row(sheet.heads.size(), "–");
    row[0] = "published: " + published.method;
    std::size_t column = 1;
    if (!published.label_space.empty() && published.label_space != table.head.label_space) {
      const auto space = spaces.find(published.label_space);
      if (space == spaces.end()) continue;  // nothing of ours to stand beside
      column += 1 + static_cast<std::size_t>(std::distance(spaces.begin(), space));
    }
    row[column] = points(published.miou);
    sheet.rows.push_back(std::move(row));
  }
  return sheet;
}

std::string text_of(const Sheet& sheet) {
  std::vector<std::size_t> widths;
  for (const auto& head : sheet.heads) widths.push_back(columns(head));
  for (const auto& row : sheet.rows)
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], columns(row[c]));
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (std::size_t c = 0; c < cells.size(); ++c) {
      const std::string gap(widths[c] - columns(cells[c]), ' ');
      text += c == 0 ? cells[c] + gap : "  " + gap + cells[c];
    }
    return text + '\n';
  };
  std::string text;
  if (!sheet.title.empty()) text += sheet.title + "\n";
  if (!sheet.note.empty()) text += sheet.note + "\n";
  text += (text.empty() ? "" : "\n") + line(sheet.heads);
  for (const auto& row : sheet.rows) text += line(row);
  return text;
}

Report report_of(const RunTable& table) {
  Report report = table.head;
  for (const auto& arm : table.arms) report.arms.push_back(arm.arm);
  report.sheets = {sheet_of(table)};
  std::string seeds;
  for (const auto seed : table.seeds) seeds += (seeds.empty() ? "" : ", ") + std::to_string(seed);
  report.notes.push_back("Means over the seeds " + seeds +
                         ", but for time and memory, which are those of the first.");
  return report;
}

}  // namespace driftloop::daemon
