#include "capture/gst_source.h"

#include <algorithm>
#include <cstdio>
#include <optional>

#include "capture/gst_pipeline.h"
#include "config/check.h"

namespace driftloop::capture {
namespace {
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kSlice{50};  // an error on the bus does not wake the appsink: look at both in turn

std::int64_t wall_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string index_name(std::uint64_t index) {
  char text[32];
  std::snprintf(text, sizeof text, "%06llu", static_cast<unsigned long long>(index));
  return text;
}

}  // namespace

struct GstSource::Impl {
  explicit Impl(GstSourceOptions given)
      : options(std::move(given)),
        life(options.life),
        run(std::make_unique<GstPipelineRun>(options.pipeline, options.what)) {}

  std::optional<ReadResult> start();
  std::optional<ReadResult> take(GstHandle<GstSample> sample);
  std::optional<ReadResult> idle();
  ReadResult at_end();

  GstSourceOptions options;
  Life life;
  std::unique_ptr<GstPipelineRun> run;
  SourceCounters counters;
  Clock::time_point last_life;  // when the pipeline last showed a frame (or started)
  bool started = false;
  std::uint64_t pass_frames = 0;  // of this run of the pipeline
  std::uint64_t sequence = 0;
  std::int64_t base_ns = 0;  // wall clock at the time zero of a file
  std::int64_t newest_ns = 0;
  std::string remark;  // to go out with the next result
};

std::optional<ReadResult> GstSource::Impl::start() {
  started = true;
  const auto outcome = run->start();
  last_life = Clock::now();
  base_ns = std::max(wall_ns(), newest_ns + 1);
  if (outcome == GstPipelineRun::Start::live) life = Life::live;
  if (outcome != GstPipelineRun::Start::failed) return std::nullopt;
  const auto news = run->poll();
  return ReadResult{
      ReadStatus::error, {}, news.error.value_or("source " + options.what + ": cannot be started")};
}

std::optional<ReadResult> GstSource::Impl::take(GstHandle<GstSample> sample) {
  last_life = Clock::now();
  ReadResult result{ReadStatus::frame, {}, {}};
  result.frame.image_rgb = image_of(sample.get(), options.what);
  const std::uint64_t index = pass_frames++;
  if (result.frame.image_rgb.empty()) {
    ++counters.skipped;
    remark = "source " + options.what + ": picture " + index_name(index) + " arrived damaged and is skipped";
    return std::nullopt;
  }
  const auto pts = life == Life::finite ? time_of(sample.get()) : std::nullopt;
  newest_ns = pts ? base_ns + *pts : wall_ns();
  result.frame.captured_ns = newest_ns;
  result.frame.name = index_name(index);
  result.frame.sequence = sequence++;
  ++counters.frames;
  return result;
}

ReadResult GstSource::Impl::at_end() {
  if (options.at_end == AtEnd::stop || life == Life::live) return {ReadStatus::end, {}, {}};
  if (pass_frames == 0)
    return {ReadStatus::error, {}, "source " + options.what + ": cannot loop, it has no frame at all"};
  run.reset();
  run = std::make_unique<GstPipelineRun>(options.pipeline, options.what);
  pass_frames = 0;
  return start().value_or(ReadResult{});
}

/// What to report when no sample came: an error, the end, a stall, or nothing.
std::optional<ReadResult> GstSource::Impl::idle() {
  const auto news = run->poll();
  counters.skipped += static_cast<std::uint64_t>(news.damaged);
  if (news.error) return ReadResult{ReadStatus::error, {}, *news.error};
  if (!news.warning.empty()) remark = news.warning;
  if (run->ended()) return at_end();
  const auto limit = pass_frames == 0 ? options.start_timeout : options.stall_timeout;
  if (Clock::now() - last_life < limit) return std::nullopt;
  return ReadResult{ReadStatus::error,
                    {},
                    "source " + options.what + ": no frame for " + std::to_string(limit.count()) +
                        " ms; check the cable and that nothing else uses the camera"};
}

GstSource::GstSource(GstSourceOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
GstSource::~GstSource() = default;
SourceCounters GstSource::counters() const {
  return impl_->counters;
}
Life GstSource::life() const {
  return impl_->life;
}

ReadResult GstSource::do_read(milliseconds timeout) {
  Impl& s = *impl_;
  if (!s.started)
    if (auto failed = s.start()) return *failed;
  const auto deadline = Clock::now() + timeout;
  std::optional<ReadResult> result;
  while (!result) {
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
    auto sample = s.run->pull(std::clamp(left, milliseconds(0), kSlice));
    const bool got = sample != nullptr;
    result = got ? s.take(std::move(sample)) : s.idle();
    if (result && result->status == ReadStatus::timeout) result.reset();  // a new pass of a looped file
    if (!result && Clock::now() >= deadline) result = ReadResult{};
  }
  if (result->message.empty()) result->message = std::exchange(s.remark, {});
  return *result;
}

}  // namespace driftloop::capture
