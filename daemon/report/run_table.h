// Runs of the same benchmark put beside each other: mean and spread over seeds, differences seed by seed, and
// what it all cost, in the units that people pay.
#pragma once
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/report/report.h"

namespace driftloop::daemon {

/// What an hour of labelling is made of. One click is a key press that names a class, for a point or for a
/// tile that holds one class (2.4 s a point: Bearman et al. 2016); a whole image is drawn in polygons (90
/// minutes for the 2.1 megapixels of a Cityscapes image: Cordts et al. 2016).
struct LabourModel {
  double seconds_per_click = 2.4;
  double seconds_per_megapixel = 2575;
};

struct Spread {
  double mean = std::numeric_limits<double>::quiet_NaN();
  double deviation = std::numeric_limits<double>::quiet_NaN();  // of the sample; NaN with one value
  int values = 0;
};
Spread spread_of(const std::vector<double>& values);

/// Of pairs: the mean difference and half the width of its 95 % interval by Student's t; NaN with one pair.
struct Difference {
  double mean = 0, half_width = std::numeric_limits<double>::quiet_NaN();
  int ahead = 0, pairs = 0;
};
Difference difference_of(const std::vector<double>& differences);

/// After the last round of an arm; costs are means over the seeds.
struct ArmResult {
  Arm arm;  // called and explained, its rounds the means over the seeds
  Spread miou;
  std::map<std::string, Spread> space_miou;
  Spread of_ceiling;                         // of full supervision with the same seed
  std::optional<Difference> against_chance;  // the arm with Role::chance, with the same seeds
  double pixels = 0, clicks = 0, frames = 0, bytes = 0, labeller_s = 0, compute_s = 0;
};

/// A result of a paper, as a preset names it (`published` in the settings).
struct Published {
  std::string method;
  double miou = 0;          // 0..1
  std::string label_space;  // "" = the run's
};

struct RunTable {
  Report head;  // of the first run, without arms and pictures
  std::vector<std::uint64_t> seeds;
  std::vector<ArmResult> arms;
  std::vector<Published> published;
};

struct FoundRun {
  std::filesystem::path folder;
  Report report;
};

/// The runs in these folders: each holds a report.json, or folders that do (one for each seed). Throws Error.
std::vector<FoundRun> find_runs(const std::vector<std::filesystem::path>& folders);

/// One table for each benchmark: runs whose settings agree in all but arms, seed and the machine. Throws
/// Error where an arm was run twice with one seed, or means another thing in another run.
std::vector<RunTable> run_tables(const std::vector<FoundRun>& runs, const LabourModel& labour = {});

Sheet sheet_of(const RunTable& table);
/// In columns, for a terminal.
std::string text_of(const Sheet& sheet);
/// The means as a report of their own, with the sheet.
Report report_of(const RunTable& table);

}  // namespace driftloop::daemon
