#include "tests/daemon/live_world.h"

#include <gtest/gtest.h>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "daemon/live/store_pool.h"

namespace driftloop::daemon {
namespace fs = std::filesystem;

DaemonOptions tiny_options(const fs::path& state) {
  DaemonOptions o;
  o.vehicle_id = "car7";
  o.state = state.string();
  o.camera.uri = "test://none";
  o.store.folder = state / "frames";
  o.store.quota_bytes = 8'000'000;
  o.store.ballast_bytes = 0;
  auto& e = o.engine;
  e.device = "cpu";
  e.threads = 1;
  e.model.width = 0.0625;
  e.model.output_stride = 16;
  e.input.crop_width_px = 64;
  e.input.crop_height_px = 48;
  e.train.batch_target = 1;
  e.selftrain.batch = 1;
  e.acquisition.region_px = 8;
  e.guard.share = 0.34;
  e.guard.min_pixels = 64;
  o.loop.rounds = {{.times = 1, .steps = 12, .budget = {.pixels = kRegions * 64}}};
  o.loop.min_frames = 4;
  o.loop.save_every_s = 0;
  o.loop.at_end = "exit";
  o.loop.regions_per_day = o.loop.label_seconds_per_day = std::nullopt;
  o.loop.label_share = 1;
  o.loop.keep_rounds = true;
  return o;
}

fs::path live_weights(const StateFolder& state) {
  return Publication(state.path()).weights();
}

capture::Frame two_coloured_frame(const std::string& name, cv::Size size_px, int shade) {
  capture::Frame frame;
  frame.image_rgb = cv::Mat(size_px, CV_8UC3, cv::Scalar(40, 120, shade));
  cv::rectangle(frame.image_rgb, cv::Rect(size_px.width / 2, 0, size_px.width / 2, size_px.height),
                cv::Scalar(200, 30, 90), cv::FILLED);
  frame.name = name;
  return frame;
}

fs::path start_weights(const fs::path& folder) {
  const fs::path file = folder / "start.safetensors";
  if (fs::exists(file)) return file;
  const DaemonOptions o = tiny_options(folder / "start");
  capture::FrameStore store(o.store);
  StorePool pool(store);
  adapt::Engine(o.engine, nullptr, pool, 5).live().save(file);
  return file;
}

Vehicle::Vehicle(DaemonOptions given, Camera camera)
    : options(std::move(given)),
      state(options.state),
      store(options.store),
      outbox(state.outbox()),
      status(state.status()),
      pace(options.loop) {
  if (camera == Camera::running) return;
  health.finished(Owner::capture);
  if (!store.list().empty()) return;
  for (int i = 0; i < 4; ++i)
    EXPECT_EQ(store.put(two_coloured_frame("drive_00000" + std::to_string(i), {64, 48}, 10 * i)).status,
              capture::PutStatus::stored);
}

std::unique_ptr<LiveLoop> Vehicle::loop() {
  return std::make_unique<LiveLoop>(LiveParts{options, pace, state, store, outbox, status, health, news, now},
                                    stop.get_token());
}

std::int64_t Vehicle::requests() {
  const auto s = outbox.stats();
  return s.queued + s.receipted + s.refused;
}

Lab::Lab(Vehicle& vehicle, Answers answers, std::function<void()> before_first)
    : vehicle_(vehicle),
      answers_(answers),
      before_first_(std::move(before_first)),
      thread_([this](std::stop_token stop) { work(stop); }) {}

void Lab::work(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const auto items = vehicle_.outbox.next_by_value(100);
    if (items.empty()) {
      pause_.wait(stop, std::chrono::milliseconds(10));
      continue;
    }
    if (before_first_) before_first_();
    before_first_ = {};
    std::vector<uplink::ArrivedLabel> labels;
    std::vector<std::string> digests;
    for (const auto& item : items) {
      if (answers_ == Answers::none_taken) {
        EXPECT_EQ(vehicle_.outbox.mark_refused(item.digest, "not wanted"), uplink::StoreOutcome::done);
        continue;
      }
      digests.push_back(item.digest);
      const int every = leave_out_one_in_;
      if (every == 0 || ++taken_ % every != 0) labels.push_back(answer(item.digest));
    }
    std::vector<uplink::LabelFate> fates;
    EXPECT_EQ(vehicle_.outbox.mark_receipted(digests), uplink::StoreOutcome::done);
    EXPECT_EQ(vehicle_.outbox.store_labels(labels, fates), uplink::StoreOutcome::done);
    vehicle_.news.tell();
  }
}

uplink::ArrivedLabel Lab::answer(const std::string& digest) {
  const auto region = uplink::decode_region(*vehicle_.outbox.payload(digest));
  uplink::LabelReply reply;
  reply.request_digest = digest;
  reply.labeller = "test";
  if (answers_ == Answers::refusals) {
    reply.reason = "there is no truth";
    return {digest, uplink::encode(reply)};
  }
  frames_.insert(region.value->frame_name);
  {
    const std::lock_guard lock(mutex_);
    strategies_[region.value->round].insert(region.value->strategy);
  }
  const auto& box = region.value->box;
  cv::Mat mask(box.height, box.width, CV_8UC1);
  for (int x = 0; x < box.width; ++x) mask.col(x).setTo(box.x + x < region.value->frame_width / 2 ? 0 : 13);
  std::vector<uchar> png;
  cv::imencode(".png", mask, png);
  reply.outcome = uplink::LabelReply::Outcome::labelled;
  reply.mask_png.assign(png.begin(), png.end());
  return {digest, uplink::encode(reply)};
}

}  // namespace driftloop::daemon
