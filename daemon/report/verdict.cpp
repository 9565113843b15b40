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
  const Arm* strategy;
  const Arm* random;
  const Arm* source;
  const Arm* self_training;
  const Arm* full;
};

/// "3.1 points above random regions (38.1)".
std::string against(double mine, const Arm& other, const std::string& title) {
  const double reference = final_miou(other);
  const double gap = mine - reference;
  const std::string shown = " " + title + " (" + points(reference) + ")";
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
  const Round& last = *last_measured(*arms.strategy);
  std::string budget = "With " + count(last.labelled_pixels) + " pixels labelled, ";
  if (report.pool_pixels > 0)
    budget = "With " +
             percent(static_cast<double>(last.labelled_pixels) / static_cast<double>(report.pool_pixels)) +
             " of the pixels labelled, ";
  std::vector<std::string> clauses;
  if (arms.full && final_miou(*arms.full) > 0)
    clauses.push_back(percent(last.miou / final_miou(*arms.full)) + " of full supervision (" +
                      points(final_miou(*arms.full)) + ")");
  if (arms.random) clauses.push_back(against(last.miou, *arms.random, "random regions"));
  if (arms.source) clauses.push_back(against(last.miou, *arms.source, "source only"));
  return budget + arms.strategy->name + " reached " + points(last.miou) + " mIoU" +
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
  const double mine = final_miou(*arms.strategy);
  if (arms.source && mine < final_miou(*arms.source) - kTie) {
    verdict.outcome = Outcome::lost;
    verdict.headline = "Adapting made the net worse";
  } else if (arms.random) {
    const double gap = mine - final_miou(*arms.random);
    verdict.outcome = gap >= kTie ? Outcome::helped : gap <= -kTie ? Outcome::lost : Outcome::even;
    verdict.headline = against_random(gap);
  } else if (arms.source) {
    const bool gained = mine >= final_miou(*arms.source) + kTie;
    verdict.outcome = gained ? Outcome::helped : Outcome::even;
    verdict.headline = gained ? "The loop helped" : "The loop changed nothing";
  } else {
    verdict.headline = "Nothing to compare with";
  }
}

void judge_self_training(const Controls& arms, Verdict& verdict) {
  if (!arms.self_training || !arms.source) return;
  const double before = final_miou(*arms.source);
  const double after = final_miou(*arms.self_training);
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
  if (!arms.strategy || !arms.random) return;
  const Round& mine = *last_measured(*arms.strategy);
  const Round& other = *last_measured(*arms.random);
  std::vector<std::string> differences;
  if (unlike(mine.labelled_pixels, other.labelled_pixels))
    differences.push_back("labelled " + count(mine.labelled_pixels) + " pixels against " +
                          count(other.labelled_pixels));
  if (unlike(mine.steps, other.steps))
    differences.push_back("trained " + count(mine.steps) + " steps against " + count(other.steps));
  if (!differences.empty())
    verdict.details.push_back("Not a fair comparison: " + arms.strategy->name + " " + join(differences) +
                              " of random regions.");
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
    if (best && view.role != Role::self_training && final_miou(*view.arm) < best->miou - kFall)
      verdict.details.push_back("The arm " + view.title + " was best in round " +
                                std::to_string(best->round) + " (" + points(best->miou) + ") and ended at " +
                                points(final_miou(*view.arm)) + ".");
    if (rolled_back > 0)
      verdict.details.push_back("The guard refused " + std::to_string(rolled_back) + " of " +
                                std::to_string(decisions) + " candidate models of " + view.title + ".");
  }
}

void note_limits(const Report& report, const Controls& arms, Verdict& verdict) {
  if (arms.strategy && arms.full && final_miou(*arms.strategy) > final_miou(*arms.full) + kTie)
    verdict.details.emplace_back("Above full supervision: that arm was trained too briefly to be a ceiling.");
  const auto missing = missing_controls(report);
  if (!missing.empty())
    verdict.details.push_back("Without a result in this run, so not compared: " + join(missing) + ".");
  verdict.details.push_back(
      "One run with one seed (" + std::to_string(report.seed) +
      "): a gap of a point or two can be chance; repeat with other seeds before relying on it.");
}

}  // namespace

Verdict judge(const Report& report) {
  const Controls arms{find_arm(report, Role::strategy), find_arm(report, Role::random),
                      find_arm(report, Role::source_only), find_arm(report, Role::self_training),
                      find_arm(report, Role::full)};
  Verdict verdict;
  if (arms.strategy) {
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
  note_arms(report, verdict);
  note_limits(report, arms, verdict);
  return verdict;
}

}  // namespace driftloop::daemon
