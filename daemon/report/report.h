// The result of one run of the loop with several arms: what report.json holds and report.html shows. The
// schema, with units and an example, is docs/report.md.
#pragma once
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace driftloop::daemon {

/// What the guard set said about the candidate model of a round.
enum class Guard { none, promoted, rolled_back };

/// One evaluation. Every count is a total from the start of the arm up to and with this round; `seconds`
/// alone are those spent in this round.
struct Round {
  int round = 0;                                           // 0 = before anything was learned on the target
  double miou = std::numeric_limits<double>::quiet_NaN();  // 0..1; NaN = not measured
  std::map<std::string, double> per_class_iou;             // by class name, 0..1; NaN = class absent
  std::map<std::string, double> space_miou;  // by label space, 0..1; where the net's own has all 19 classes
  double boundary_miou = std::numeric_limits<double>::quiet_NaN();      // 0..1; NaN = not measured
  double calibration_error = std::numeric_limits<double>::quiet_NaN();  // 0..1
  std::int64_t labelled_pixels = 0;
  std::int64_t regions = 0;
  std::int64_t clicks = 0;        // of who labelled them; whole images are not counted in clicks
  std::int64_t image_pixels = 0;  // of `labelled_pixels`, those of whole images
  std::int64_t frames = 0;        // that hold a labelled region
  std::int64_t bytes_sent = 0;
  std::int64_t steps = 0;                 // optimiser steps on the target
  std::int64_t memory_bytes = 0;          // of the learner's process at most; 0 = not measured
  double frame_ms = 0;                    // from a decoded frame to its labels, a mean; 0 = not measured
  std::map<std::string, double> seconds;  // stage -> wall time
  std::map<std::string, double> losses;   // term of the loss -> its mean over the round's steps, weighted
  Guard guard = Guard::none;
  std::string guard_note;  // why, in a few words
};

/// What an arm is compared as.
enum class Role {
  start,    // never learns from the target
  alone,    // self-training without a label
  chance,   // labels of regions drawn by lot
  choice,   // labels of regions that a strategy chose
  ceiling,  // labels of every pixel
  control,  // anything else to compare with
};

/// Its word in report.json.
const char* role_word(Role role);

/// One way of running the loop.
struct Arm {
  std::string name;
  std::string title;        // for people; "" = the name
  std::string explanation;  // one sentence for a newcomer
  Role role = Role::choice;
  std::string weights;  // final model, relative to the folder of the report; "" = none kept
  std::vector<Round> rounds;
  std::string error;  // why the arm stopped early; "" = it ended well
  nlohmann::json settings =
      nlohmann::json::object();  // what differs from Report::config: dotted key -> value
};

/// One image of a row of pictures, already coded: see photo() and mask() in daemon/report/pictures.h.
struct Panel {
  std::string name;    // "frame", "prediction before", ...
  std::string suffix;  // ".jpg" or ".png"
  std::string bytes;   // the coded file
};

/// A row of pictures of one frame.
struct Picture {
  std::string title;
  std::string caption;
  std::vector<Panel> panels;
};

/// A table of text that the report shows beside its arms; the first cell of a row names it.
struct Sheet {
  std::string title, note;
  std::vector<std::string> heads;
  std::vector<std::vector<std::string>> rows;  // as many cells as there are heads
};

struct Report {
  std::string title = "driftloop report";
  std::uint64_t seed = 0;
  nlohmann::json config = nlohmann::json::object();  // the effective configuration
  std::string strategy;                              // the arm the verdict is about; "" = the first choice
  std::string source, target;                        // data sets, in words
  std::string label_space;                           // a name of config::label_space
  std::string budget;                                // in words: "0.5 % of the pool in 4 rounds, regions 8x8"
  std::int64_t pool_pixels = 0;                      // all pixels that could have been asked for; 0 = unknown
  std::int64_t pool_bytes = 0;                       // of the pool's frames as JPEG; 0 = unknown
  std::string revision, device, command, created;    // `created` is ISO 8601
  std::vector<std::string> notes;
  std::vector<Arm> arms;
  std::vector<Picture> pictures;
  std::vector<Sheet> sheets;
};

/// The content of report.json. NaN becomes null. Pictures are named by their files, not held. Throws
/// CheckError when a number is outside its range (mIoU in percent, negative counts).
nlohmann::json to_json(const Report& report);

/// Reads what to_json made; picture files are looked for in `folder`, keys it does not know are skipped.
/// Throws Error naming the place in the document when something is missing, of a wrong type or out of range.
Report from_json(const nlohmann::json& document, const std::filesystem::path& folder);

/// Equal content, pictures byte by byte; NaN equals NaN.
bool operator==(const Report& a, const Report& b);

/// One report of several, each holding some of the arms of the same run, in the order given. The head
/// (title, config, ...) is the first part's; where the configuration of a later part differs, its arms say so
/// in `settings`. Throws Error when seed or label space differ or an arm occurs twice.
Report merge(const std::vector<Report>& parts);

/// Writes pictures/*, report.json and report.html into `folder` (created when missing), each durably and in
/// this order. Throws Error when the folder cannot be written.
void write_report(const Report& report, const std::filesystem::path& folder);

/// Writes pictures/* and report.json only: how an arm that runs as a process of its own hands its result
/// over.
void write_part(const Report& part, const std::filesystem::path& folder);

/// Reads folder/report.json and its pictures. Throws Error naming the file.
Report read_report(const std::filesystem::path& folder);

/// Reads the parts in `part_folders` (relative to `folder`) and merges them; the paths of weights become
/// relative to `folder`.
Report read_parts(const std::filesystem::path& folder,
                  const std::vector<std::filesystem::path>& part_folders);

}  // namespace driftloop::daemon
