// The vehicle's life, top to bottom. A round asks for regions, waits for their labels, merges them, trains
// and judges. Between any two lines the process may be killed: each step leaves a saved place from which the
// next process goes on, so that nothing acknowledged is lost and nothing is asked for twice. Two orders
// matter: regions are saved in the learner's state (with the digests of their messages) before they are
// queued, and a round's record is saved there before it is published.
//
// The loop begins at "ask", not at "train": before the first labels return self-training can collapse and no
// guard set would notice, so until then nothing is learnt and the live model stays.
#include "daemon/live/live_loop.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include "config/check.h"
#include "daemon/judged.h"
#include "daemon/round_record.h"
#include "daemon/stopwatch.h"

namespace driftloop::daemon {

LiveLoop::End LiveLoop::run() {
  if (!has_model_ && !first_model()) return End::stopped;
  publish();  // what a kill may have left unpublished
  desk_.mark_frames();
  while (!stopping()) {
    const auto pace = parts_.pace.get();
    if (!round_at(pace.rounds, place_.round)) {  // a reload may bring more
      show("done");
      if (pace.at_end == "exit") return End::rounds_done;
      rest();
      continue;
    }
    if (place_.stage == Stage::ask && !ask()) break;
    if (place_.stage == Stage::wait) {
      if (!queue_regions() || !wait_for_labels() || !merge()) break;
    }
    if (!train()) break;
    if (!judge()) break;
  }
  return End::stopped;
}

/// The round under way, by the list of now. One that a reload has taken off its end goes on as the last there
/// is.
RoundOptions LiveLoop::round() const {
  const auto plan = parts_.pace.get().rounds;
  const RoundOptions* found = round_at(plan, place_.round);
  return found ? *found : plan.back();
}

/// Before the first label ever self-training can collapse, and no guard set would notice; and a step needs
/// some labelled image.
bool LiveLoop::can_learn() const {
  const auto labels = engine_.labels();
  const auto& options = parts_.options;
  return labels.train_pixels > 0 ||
         (!options.loop.replay.empty() && (labels.regions > 0 || options.engine.selftrain.before_labels));
}

/// Until enough of this round's regions are answered, or the wait has been long enough. The wait begins anew
/// with the process. Without any label ever it has no end: there is nothing to learn from.
bool LiveLoop::wait_for_labels() {
  const Stopwatch watch(place_.seconds.send_and_label);
  AnswerWatch answers(desk_);
  const double since_s = parts_.now().steady_s;
  while (!stopping()) {
    answers.look();
    const auto pace = parts_.pace.get();
    const bool enough = static_cast<double>(answers.closed()) >=
                            pace.label_share * static_cast<double>(place_.asked_this_round) ||
                        parts_.now().steady_s - since_s >= pace.label_wait_s;
    const bool can_learn = engine_.labels().regions > 0 || answers.any_label();
    if (enough && (can_learn || answers.none_open())) return true;
    show("waiting", enough ? "no label ever came: nothing can be learnt yet" : "");
    rest();
  }
  return false;
}

/// The inbox's rows after the last merged one go into the learner, and with them, in one saved state, the
/// number of the last row: each label counts once, whenever the process dies. False at a stop before that.
bool LiveLoop::merge() {
  {
    const Stopwatch watch(place_.seconds.merge);
    const auto labels = desk_.take_labels();
    adapt::MergeReport report;
    if (!with_memory([&] { report = engine_.merge(labels); })) return false;
    spdlog::info("round {}: {} labels merged, {} pixels to learn from, {} to judge by", place_.round,
                 report.regions, report.train_pixels, report.guard_pixels);
  }
  place_.train_until = engine_.step() + (can_learn() ? round().steps : 0);
  place_.stage = Stage::train;
  save(Extent::memory);
  desk_.mark_frames();
  return true;
}

/// In slices of loop.save_every_s, each followed by a saved state; a stop ends at the next step, which is
/// saved as well.
bool LiveLoop::train() {
  show("training");
  while (engine_.step() < place_.train_until && !stopping()) {
    const auto report =
        train_slice(engine_, place_.train_until, [&](const adapt::TrainProgress&, std::int64_t step) {
          shown_.step = step;
          parts_.status.loop(shown_);
        });
    if (report.bad_steps > 0)
      spdlog::warn("{} training steps had no finite loss and were skipped", report.bad_steps);
    if (report.gave_up) spdlog::error("training gave up: the student went back to the live model");
    if (report.memory_failures > 0)
      spdlog::warn("{} times no memory for a training step: it goes on with {:.0f} % of its images",
                   report.memory_failures, 100 * report.batch_share);
    spdlog::info("round {}: step {} of {}, loss {}", place_.round, engine_.step(), place_.train_until,
                 report.loss_text());
    if (report.out_of_memory) {
      if (!wait_for_memory("no memory for a training step of even one image")) break;
      continue;
    }
    if (report.gave_up || (report.steps == 0 && !report.stopped)) place_.train_until = engine_.step();
    if (engine_.step() < place_.train_until && !stopping()) save(Extent::all);
  }
  if (stopping()) save(Extent::all);
  return !stopping();
}

/// Trains up to the step `until`, a stop, or the moment at which a state is due to be saved.
adapt::TrainReport LiveLoop::train_slice(
    adapt::Engine& engine, std::int64_t until,
    const std::function<void(const adapt::TrainProgress&, std::int64_t step)>& progress) {
  std::stop_source pause;
  const std::stop_callback also_when_stopped(stop_, [&] { pause.request_stop(); });
  const std::chrono::duration<double> slice(parts_.pace.get().save_every_s);
  const auto start = std::chrono::steady_clock::now();
  const std::int64_t step_before = engine.step();
  adapt::TrainRequest request;
  request.steps = static_cast<int>(until - step_before);
  request.stop = pause.get_token();
  request.progress = [&](const adapt::TrainProgress& done) {
    parts_.health.progress(Owner::adapt);
    progress(done, step_before + done.step);
    if (std::chrono::steady_clock::now() - start >= slice) pause.request_stop();
  };
  const Stopwatch watch(place_.seconds.train);
  return engine.train(request);
}

/// False at a stop; the judgement is then made at the next start.
bool LiveLoop::judge() {
  show("judging");
  adapt::JudgeReport judged;
  {
    const Stopwatch watch(place_.seconds.judge);
    if (!with_memory([&] { judged = engine_.judge(); })) return false;
  }
  finish_round(judged);
  return true;
}

void LiveLoop::finish_round(const adapt::JudgeReport& judged) {
  place_.last_record = record_line(judged);
  shown_.last_verdict = verdict_text(judged.verdict);
  shown_.live_score = judged.live_score;
  shown_.candidate_score = judged.candidate_score;
  spdlog::info("round {}: {} (live {:.3f}, candidate {:.3f} over {} pixels)", place_.round,
               shown_.last_verdict, judged.live_score, judged.candidate_score, judged.guard_pixels);
  if (judged.verdict == adapt::Verdict::promoted) place_.live_record = place_.last_record;
  ++place_.round;
  place_.stage = Stage::ask;
  place_.asked_this_round = 0;
  place_.seconds = {};
  retire();
  save(Extent::all);
  publish();
}

/// What was asked about frames that are gone teaches nothing any more, and would grow for ever.
void LiveLoop::retire() {
  const auto retired =
      engine_.retire([&](const std::string& frame_id) { return !parts_.store.find(frame_id).has_value(); },
                     desk_.waited_for());
  desk_.forget_retired();
  if (retired > 0) spdlog::info("round {}: {} regions of evicted frames retired", place_.round - 1, retired);
}

/// The live model and the record of the last round, for others to read. Repeatable: what is out already
/// stays.
void LiveLoop::publish() {
  if (!with_memory([&] { publish_live(); })) return;
  if (place_.last_record.empty()) return;
  const std::string weights = decode_record(place_.last_record).weights;
  if (!weights.empty()) {
    std::filesystem::create_directories((parts_.state.path() / weights).parent_path());
    if (!with_memory([&] { engine_.live().save(parts_.state.path() / weights); })) return;
  }
  append_round(parts_.state.rounds(), place_.last_record);
}

/// Learner and place as one durable state, or what of it is not weights (small: it is written at each step of
/// the round, the weights as seldom as may be, for the flash's sake). Waits for room on a full disk; a stop
/// gives up waiting, and the next start goes on from the state before.
void LiveLoop::save(Extent extent) {
  const Stopwatch watch(place_.seconds.save);
  std::string problem;
  // A state is written beside the old ones, and the live model is published after it.
  const auto needed = extent == Extent::all ? 2 * engine_.state_bytes() : engine_.memory_bytes();
  while (!(problem = parts_.state.space_problem(needed)).empty()) {
    show(shown_.phase, problem);
    if (stopping()) return;
    rest();
  }
  place_.bytes_sent = parts_.status.bytes_sent();
  place_.bytes_received = parts_.status.bytes_received();
  place_.ask_fund = budget_.fund();
  engine_.set_note(encode_place(place_));
  const bool done = with_memory([&] {
    extent == Extent::all ? engine_.save(parts_.state.model()) : engine_.save_memory(parts_.state.model());
  });
  if (!done) return;  // a stop: the next start goes on from the state before
  // Only now: a state without these labels will never be gone back to. On a full disk the next save does it.
  const std::int64_t keep = std::min(2 * parts_.pace.get().max_pending, uplink::Outbox::kKeptMerged);
  static_cast<void>(parts_.outbox.forget_merged(place_.merged_row, keep));
  parts_.health.progress(Owner::adapt);
  show(shown_.phase);
}

std::string LiveLoop::record_line(const adapt::JudgeReport& judged) const {
  RoundRecord record = record_of(place_.round, engine_, judged);
  record.bytes_sent = parts_.status.bytes_sent();
  record.bytes_received = parts_.status.bytes_received();
  const auto& s = place_.seconds;
  record.seconds = {{"propose", s.propose}, {"send_and_label", s.send_and_label},
                    {"merge", s.merge},     {"train", s.train},
                    {"judge", s.judge},     {"save", s.save}};
  if (parts_.pace.get().keep_rounds)
    record.weights = "models/round_" + std::to_string(place_.round) + ".safetensors";
  return encode_record(record);
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
