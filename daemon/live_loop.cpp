// The vehicle's life, top to bottom. A round asks for regions, waits for their labels, merges them, trains
// and judges. Between any two lines the process may be killed: each step leaves a saved place from which the
// next process goes on, so that nothing acknowledged is lost and nothing is asked for twice. Two orders
// matter: regions are saved in the learner's state (with the digests of their messages) before they are
// queued, and a round's record is saved there before it is published.
//
// The loop begins at "ask", not at "train": before the first labels return self-training can collapse and no
// guard set would notice, so until then nothing is learnt and the live model stays.
#include "daemon/live_loop.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "config/check.h"
#include "daemon/judged.h"

namespace driftloop::daemon {
namespace {
using Clock = std::chrono::steady_clock;

constexpr auto kLook = std::chrono::milliseconds(500);  // between two looks while waiting for the outside

/// Adds the seconds of its life to a sum.
class Stopwatch {
 public:
  explicit Stopwatch(double& sum) : sum_(sum) {}
  ~Stopwatch() { sum_ += seconds(); }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  double& sum_;
  Clock::time_point start_ = Clock::now();
};

}  // namespace

LiveLoop::End LiveLoop::run() {
  if (!has_model_ && !first_model()) return End::stopped;
  publish();  // what a kill may have left unpublished
  mark_asked_frames();
  while (true) {
    const int rounds = parts_.pace.get().rounds;
    if (rounds > 0 && place_.round > rounds) break;
    if (place_.stage == Stage::ask && !ask()) return End::stopped;
    if (place_.stage == Stage::wait) {
      if (!queue_regions() || !wait_for_labels()) return End::stopped;
      merge();
    }
    if (!train()) return End::stopped;
    show("judging");
    adapt::JudgeReport judged;
    {
      const Stopwatch watch(place_.seconds.judge);
      judged = engine_.judge();
    }
    finish_round(judged);
  }
  show("done");
  return End::rounds_done;
}

/// Chooses this round's regions and saves the choice. When a stop comes first nothing is saved, and the next
/// start chooses again.
bool LiveLoop::ask() {
  const auto pace = parts_.pace.get();
  auto frames = static_cast<std::size_t>(engine_.labels().asked_regions == 0 ? pace.min_frames : 1);
  while (wait_for_frames(frames)) {
    show("proposing");
    const Stopwatch watch(place_.seconds.propose);
    const bool may_ask = static_cast<std::int64_t>(place_.pending.size()) < pace.max_pending;
    if (!may_ask) spdlog::warn("{} regions have no answer yet: no new ones are asked", place_.pending.size());
    std::vector<std::uint64_t> chosen;
    if (may_ask)
      for (const auto& region : engine_.propose(engine_.budget(), stop_)) chosen.push_back(region.id);
    if (stopping()) return false;
    if (chosen.empty() && place_.pending.empty() && engine_.labels().regions == 0) {
      if (parts_.health.is_finished(Owner::capture))
        throw Error("there is nothing to ask for in the " + std::to_string(parts_.store.list().size()) +
                    " frames of the source: raise engine.acquisition.share_per_round, or give more frames");
      frames = parts_.store.list().size() + 1;
      continue;
    }
    code_regions(chosen);
    place_.stage = Stage::wait;
    save();
    return true;
  }
  return false;
}

/// Puts the saved choice into the outbox: all of it in one transaction, or what an earlier run put there.
bool LiveLoop::queue_regions() {
  std::vector<std::uint64_t> of_this_round;
  bool queued = false;
  for (const auto& region : place_.pending) {
    if (region.round != place_.round) continue;
    of_this_round.push_back(region.id);
    queued = queued || parts_.outbox.request(region.digest).has_value();
  }
  if (queued || of_this_round.empty()) {
    items_.clear();
  } else if (items_.empty()) {
    std::erase_if(place_.pending, [&](const PendingRegion& region) { return region.round == place_.round; });
    code_regions(of_this_round);
    save();  // coded anew: the digests may differ where a picture came out with other bits
  }
  while (!items_.empty()) {
    if (parts_.outbox.add(items_) == uplink::StoreOutcome::done) {
      spdlog::info("round {}: {} regions queued", place_.round, items_.size());
      items_.clear();
      break;
    }
    show("proposing", "the disk is full: regions wait to be queued");
    parts_.news.wait(stop_, kLook);
    parts_.health.progress(Owner::adapt);
    if (stopping()) return false;
  }
  mark_asked_frames();
  return true;
}

/// Until enough of this round's regions are answered, or the wait has been long enough. The wait begins anew
/// with the process. Without any label ever it has no end: there is nothing to learn from.
bool LiveLoop::wait_for_labels() {
  const Stopwatch watch(place_.seconds.send_and_label);
  std::set<std::string> open, open_of_all;
  for (const auto& region : place_.pending) {
    open_of_all.insert(region.digest);
    if (region.round == place_.round) open.insert(region.digest);
  }
  std::int64_t seen_row = place_.merged_row;
  bool have_labels = engine_.labels().regions > 0;
  while (!stopping()) {
    for (const auto& label : parts_.outbox.labels_after(seen_row)) {
      seen_row = label.row_id;
      open.erase(label.reply.request_digest);
      open_of_all.erase(label.reply.request_digest);
      have_labels = have_labels || label.reply.outcome == uplink::LabelReply::Outcome::labelled;
    }
    close_unanswerable(open);
    close_unanswerable(open_of_all);
    const auto pace = parts_.pace.get();
    const auto asked = static_cast<double>(place_.asked_this_round);
    const auto closed = asked - static_cast<double>(open.size());
    const bool enough = closed >= pace.label_share * asked || watch.seconds() >= pace.label_wait_s;
    if (enough && (have_labels || open_of_all.empty())) return true;
    show("waiting", enough ? "no label ever came: nothing can be learnt yet" : "");
    parts_.news.wait(stop_, kLook);
    parts_.health.progress(Owner::adapt);
  }
  return false;
}

/// The inbox's rows after the last merged one go into the learner, and with them, in one saved state, the
/// number of the last row: each label counts once, whenever the process dies.
void LiveLoop::merge() {
  {
    const Stopwatch watch(place_.seconds.merge);
    const auto labels = returned_labels();
    const auto report = engine_.merge(labels);
    spdlog::info("round {}: {} labels merged, {} pixels to learn from, {} to judge by", place_.round,
                 report.regions, report.train_pixels, report.guard_pixels);
  }
  const bool can_learn = engine_.labels().regions > 0 || parts_.options.engine.selftrain.before_labels;
  place_.train_until = engine_.step() + (can_learn ? parts_.pace.get().steps_per_round : 0);
  place_.stage = Stage::train;
  save();
  mark_asked_frames();
}

/// In slices, each followed by a saved state; a stop ends at the next step, which is saved as well.
bool LiveLoop::train() {
  show("training");
  while (engine_.step() < place_.train_until && !stopping()) {
    adapt::TrainRequest request;
    const std::int64_t left = place_.train_until - engine_.step();
    request.steps = static_cast<int>(std::min<std::int64_t>(left, parts_.pace.get().save_every_steps));
    request.stop = stop_;
    const std::int64_t step_before = engine_.step();
    request.progress = [&](const adapt::TrainProgress& progress) {
      parts_.health.progress(Owner::adapt);
      shown_.step = step_before + progress.step;
      parts_.status.loop(shown_);
    };
    adapt::TrainReport report;
    {
      const Stopwatch watch(place_.seconds.train);
      report = engine_.train(request);
    }
    if (report.bad_steps > 0)
      spdlog::warn("{} training steps had no finite loss and were skipped", report.bad_steps);
    if (report.gave_up) spdlog::error("training gave up: the student went back to the live model");
    spdlog::info("round {}: step {} of {}, loss {:.3f} source, {:.3f} labelled, {:.3f} consistency",
                 place_.round, engine_.step(), place_.train_until, report.source_loss, report.target_loss,
                 report.consistency_loss);
    if (report.gave_up || (report.steps == 0 && !report.stopped)) place_.train_until = engine_.step();
    if (engine_.step() < place_.train_until || stopping()) save();
  }
  return !stopping();
}

void LiveLoop::finish_round(const adapt::JudgeReport& judged) {
  place_.last_record = record_of(judged);
  shown_.last_verdict = verdict_text(judged.verdict);
  shown_.live_score = judged.live_score;
  shown_.candidate_score = judged.candidate_score;
  spdlog::info("round {}: {} (live {:.3f}, candidate {:.3f} over {} pixels)", place_.round,
               shown_.last_verdict, judged.live_score, judged.candidate_score, judged.guard_pixels);
  ++place_.round;
  place_.stage = Stage::ask;
  place_.asked_this_round = 0;
  place_.seconds = {};
  save();
  publish();
}

/// The live model and the record of the last round, for others to read. Repeatable.
void LiveLoop::publish() {
  engine_.save_weights(parts_.state.live_weights());
  if (place_.last_record.empty()) return;
  const auto record = nlohmann::json::parse(place_.last_record);
  const auto weights = record.at("weights").get<std::string>();
  if (!weights.empty()) {
    std::filesystem::create_directories((parts_.state.path() / weights).parent_path());
    engine_.save_weights(parts_.state.path() / weights);
  }
  append_round(parts_.state.rounds(), place_.last_record);
}

/// Learner and place as one durable state. Waits for room on a full disk; a stop gives up waiting, and the
/// next start goes on from the state before.
void LiveLoop::save() {
  const Stopwatch watch(place_.seconds.save);
  std::string problem;
  while (!(problem = parts_.state.space_problem()).empty()) {
    show(shown_.phase, problem);
    if (stopping()) return;
    parts_.news.wait(stop_, kLook);
    parts_.health.progress(Owner::adapt);
  }
  place_.bytes_sent = parts_.status.bytes_sent();
  place_.bytes_received = parts_.status.bytes_received();
  engine_.set_note(encode_place(place_));
  engine_.save(parts_.state.model());
  // Only now: a state without these labels will never be gone back to. On a full disk the next save does it.
  static_cast<void>(parts_.outbox.forget_merged(place_.merged_row));
  parts_.health.progress(Owner::adapt);
  show(shown_.phase);
}

bool LiveLoop::wait_for_frames(std::size_t at_least) {
  while (!stopping()) {
    const std::size_t frames = parts_.store.list().size();
    const bool all_there = parts_.health.is_finished(Owner::capture);
    if (frames >= at_least || (all_there && frames > 0)) return true;
    if (all_there)
      throw Error("the source " + parts_.options.camera.uri +
                  " ended and no frame of it was kept: see camera.gate in status.json for why");
    show("capturing");
    parts_.news.wait(stop_, kLook);
    parts_.health.progress(Owner::adapt);
  }
  return false;
}

std::string LiveLoop::record_of(const adapt::JudgeReport& judged) const {
  const auto labels = engine_.labels();
  const auto& s = place_.seconds;
  const auto weights = "models/round_" + std::to_string(place_.round) + ".safetensors";
  return nlohmann::json{{"round", place_.round},
                        {"steps", engine_.step()},
                        {"labelled_pixels", labels.train_pixels + labels.guard_pixels},
                        {"regions", labels.regions},
                        {"asked_regions", labels.asked_regions},
                        {"frames", labels.asked_frames},
                        {"bytes_sent", parts_.status.bytes_sent()},
                        {"bytes_received", parts_.status.bytes_received()},
                        {"verdict", verdict_text(judged.verdict)},
                        {"guard_note", guard_note(judged)},
                        {"live_score", judged.live_score},
                        {"candidate_score", judged.candidate_score},
                        {"guard_pixels", judged.guard_pixels},
                        {"seconds",
                         {{"propose", s.propose},
                          {"send_and_label", s.send_and_label},
                          {"merge", s.merge},
                          {"train", s.train},
                          {"judge", s.judge},
                          {"save", s.save}}},
                        {"weights", parts_.pace.get().keep_rounds ? weights : ""}}
      .dump();
}

void LiveLoop::show(const std::string& phase, const std::string& message) {
  if (phase != shown_.phase) spdlog::info("round {}: {}", place_.round, phase);
  if (message != shown_.message && !message.empty()) spdlog::warn("{}", message);
  shown_.phase = phase;
  shown_.message = message;
  shown_.round = place_.round;
  shown_.step = engine_.step();
  shown_.labels = engine_.labels().regions;
  parts_.status.loop(shown_);
}

}  // namespace driftloop::daemon
