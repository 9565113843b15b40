#include "daemon/report/verdict.h"

#include <algorithm>
#include <cmath>

#include "daemon/report/arm_view.h"
#include "daemon/report/format.h"

namespace driftloop::daemon {
namespace {

constexpr double kTie = 0.005;           // half a point: less than two seeds of one arm differ by
constexpr double kChance = 0.02;         // a gap that another seed may turn round
constexpr double kCollapseShare = 0.75;  // of the start's mIoU: below it self-training has collapsed
constexpr double kUnlike = 0.05;  // labelled pixels or steps that differ by more are no fair comparison

struct Controls {
  const Arm* choice;  // whom the verdict is about
  const Arm* chance;  // nullptr where that itself goes by lot
  const Arm* start;
  const Arm* alone;
  const Arm* ceiling;
};

/// "3.1 points above random regions (38.1)".
std::string against(double mine, const Arm& other) {
  const double reference = final_miou(other);
  const double gap = mine - reference;
  const std::string shown = " " + title_of(other) + " (" + points(reference) + ")";
  if (std::abs(gap) < kTie) return "about the same as" + shown;
  return points(std::abs(gap)) + (gap > 0 ? " points above" : " points below") + shown;
}

std::string join(const std::vector<std::string>& clauses) {
  std::string out;
  for (std::size_t i = 0; i < clauses.size(); ++i)
    out += (i == 0 ? "" : i + 1 == clauses.size() ? " and " : ", ") + clauses[i];
  return out;
}

std::string figures(const Report& report, const Controls& arms) {
  const Round& last = *last_measured(*arms.choice);
  std::string budget = "With " + count(last.labelled_pixels) + " pixels labelled, ";
  if (report.pool_pixels > 0)
    budget = "With " +
             percent(static_cast<double>(last.labelled_pixels) / static_cast<double>(report.pool_pixels)) +
             " of the pixels labelled, ";
  std::vector<std::string> clauses;
  if (arms.ceiling && final_miou(*arms.ceiling) > 0)
    clauses.push_back(percent(last.miou / final_miou(*arms.ceiling)) + " of " + title_of(*arms.ceiling) +
                      " (" + points(final_miou(*arms.ceiling)) + ")");
  if (arms.chance) clauses.push_back(against(last.miou, *arms.chance));
  if (arms.start) clauses.push_back(against(last.miou, *arms.start));
  return budget + title_of(*arms.choice) + " reached " + points(last.miou) + " mIoU" +
         (clauses.empty() ? "" : ": " + join(clauses)) + ".";
}

std::string against_random(double gap) {
  const bool small = std::abs(gap) < kChance;
  if (gap >= kTie)
    return small ? "The chosen regions did a little better than random ones"
                 : "Choosing the regions paid off";
  if (gap <= -kTie)
    return std::string("Random regions did ") + (small ? "a little " : "") + "better than the chosen ones";
  return "The labels count, choosing them made no difference";
}

void judge_strategy(const Report& report, const Controls& arms, Verdict& verdict) {
  verdict.sentence = figures(report, arms);
  const double mine = final_miou(*arms.choice);
  if (arms.start && mine < final_miou(*arms.start) - kTie) {
    verdict.outcome = Outcome::lost;
    verdict.headline = "Adapting made the net worse";
  } else if (arms.chance) {
    const double gap = mine - final_miou(*arms.chance);
    verdict.outcome = gap >= kTie ? Outcome::helped : gap <= -kTie ? Outcome::lost : Outcome::even;
    verdict.headline = against_random(gap);
  } else if (arms.start) {
    const bool gained = mine >= final_miou(*arms.start) + kTie;
    verdict.outcome = gained ? Outcome::helped : Outcome::even;
    verdict.headline = gained ? "Asking for labels paid off" : "The labels changed nothing";
  } else {
    verdict.headline = "Nothing to compare with";
  }
}

void judge_self_training(const Controls& arms, Verdict& verdict) {
  if (!arms.alone || !arms.start) return;
  const double before = final_miou(*arms.start);
  const double after = final_miou(*arms.alone);
  const std::string change = " (" + points(before) + " → " + points(after) + " mIoU).";
  if (after < before * kCollapseShare)
    verdict.details.push_back("Self-training without labels collapsed" + change +
                              " Its own mistakes became its teacher: that is why the loop asks people.");
  else if (after < before - kTie)
    verdict.details.push_back("Self-training without labels made the net worse" + change);
  else if (after > before + kTie)
    verdict.details.push_back("Self-training alone gained " + points(after - before) +
                              " points without a single label" + change);
  else
    verdict.details.push_back("Self-training alone changed nothing" + change);
}

bool unlike(std::int64_t a, std::int64_t b) {
  return static_cast<double>(std::abs(a - b)) > kUnlike * static_cast<double>(std::max(a, b));
}

void check_fairness(const Controls& arms, Verdict& verdict) {
  if (!arms.choice || !arms.chance) return;
  const Round& mine = *last_measured(*arms.choice);
  const Round& other = *last_measured(*arms.chance);
  std::vector<std::string> differences;
  if (unlike(mine.labelled_pixels, other.labelled_pixels))
    differences.push_back("labelled " + count(mine.labelled_pixels) + " pixels against " +
                          count(other.labelled_pixels));
  if (unlike(mine.steps, other.steps))
    differences.push_back("trained " + count(mine.steps) + " steps against " + count(other.steps));
  if (!differences.empty())
    verdict.details.push_back("Not a fair comparison: " + title_of(*arms.choice) + " " + join(differences) +
                              " of " + title_of(*arms.chance) + ".");
}

/// What the other controls say: "adapted statistics reached 28.0 mIoU: 4.1 points above source only (23.9)."
void note_controls(const Report& report, const Controls& arms, Verdict& verdict) {
  for (const Arm& arm : report.arms)
    if (arm.role == Role::control && last_measured(arm))
      verdict.details.push_back(
          "As a control, " + title_of(arm) + " reached " + points(final_miou(arm)) + " mIoU" +
          (arms.start ? ": " + against(final_miou(arm), *arms.start) : std::string()) + ".");
}

/// Where the loop itself goes by lot: what strategies did beside it.
void note_strategies(const Report& report, const Controls& arms, Verdict& verdict) {
  if (!arms.choice || arms.choice->role != Role::chance) return;
  for (const Arm& arm : report.arms)
    if (arm.role == Role::choice && last_measured(arm))
      verdict.details.push_back("Chosen by " + title_of(arm) + " instead: " + points(final_miou(arm)) +
                                " mIoU, " + against(final_miou(arm), *arms.choice) + ".");
}

void note_arms(const Report& report, Verdict& verdict) {
  constexpr double kFall = 0.02;
  for (const ArmView& view : arm_views(report)) {
    if (!view.arm->error.empty())
      verdict.details.push_back("The arm " + view.title + " did not finish: " + view.arm->error);
    const Round* best = nullptr;
    int decisions = 0, rolled_back = 0;
    for (const Round& round : view.arm->rounds) {
      if (std::isfinite(round.miou) && (!best || round.miou > best->miou)) best = &round;
      if (round.guard != Guard::none) ++decisions;
      if (round.guard == Guard::rolled_back) ++rolled_back;
    }
    if (best && view.arm->role != Role::alone && final_miou(*view.arm) < best->miou - kFall)
      verdict.details.push_back("The arm " + view.title + " was best in round " +
                                std::to_string(best->round) + " (" + points(best->miou) + ") and ended at " +
                                points(final_miou(*view.arm)) + ".");
    if (rolled_back > 0)
      verdict.details.push_back("The guard refused " + std::to_string(rolled_back) + " of " +
                                std::to_string(decisions) + " candidate models of " + view.title + ".");
  }
}

void note_limits(const Report& report, const Controls& arms, Verdict& verdict) {
  if (arms.choice && arms.ceiling && final_miou(*arms.choice) > final_miou(*arms.ceiling) + kTie)
    verdict.details.push_back("Above " + title_of(*arms.ceiling) +
                              ": that arm was trained too briefly to be a ceiling.");
  const auto missing = missing_roles(report);
  if (!missing.empty())
    verdict.details.push_back("Not measured in this run, so not compared with: " + join(missing) + ".");
  verdict.details.push_back(
      "One run with one seed (" + std::to_string(report.seed) +
      "): a gap of a point or two can be chance; repeat with other seeds before relying on it.");
}

}  // namespace

Verdict judge(const Report& report) {
  const Arm *own = main_arm(report), *chance = find_arm(report, Role::chance);
  const Controls arms{own, chance == own ? nullptr : chance, find_arm(report, Role::start),
                      find_arm(report, Role::alone), find_arm(report, Role::ceiling)};
  Verdict verdict;
  if (arms.choice) {
    judge_strategy(report, arms, verdict);
  } else {
    verdict.headline = "No arm chose regions";
    verdict.sentence = "This run holds no measured arm with a strategy that chooses regions.";
    for (const ArmView& view : arm_views(report))
      if (last_measured(*view.arm))
        verdict.sentence += " " + view.title + ": " + points(final_miou(*view.arm)) + " mIoU.";
  }
  check_fairness(arms, verdict);
  judge_self_training(arms, verdict);
  note_strategies(report, arms, verdict);
  note_controls(report, arms, verdict);
  note_arms(report, verdict);
  note_limits(report, arms, verdict);
  return verdict;
}

}  // namespace driftloop::daemon
