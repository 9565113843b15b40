#include "capture/gst_teardown.h"

#include <chrono>
#include <future>
#include <mutex>
#include <thread>
#include <vector>

#include "capture/gst_source.h"

namespace driftloop::capture {
namespace {
using std::chrono::milliseconds;

constexpr auto kEndOfStreamWait = 700 * GST_MSECOND;  // Argus drains in well under this
// An end of stream that is stuck behind a full sink holds the state lock, so that nothing could be stopped:
// after so long the sinks are flushed, which frees whoever waits in them.
constexpr milliseconds kFlushAfter{1000};
constexpr milliseconds kLimit{2500};  // of the 5 s that a stop of the daemon may take

struct Stopping {
  std::thread thread;
  std::future<void> done;
};

/// Threads that hang. Never destroyed: at the end of the process nobody waits for them.
struct Hung {
  std::mutex mutex;
  std::vector<Stopping> threads;

  std::size_t count() {
    const std::lock_guard lock(mutex);
    std::erase_if(threads, [](Stopping& stopping) {
      if (stopping.done.wait_for(milliseconds(0)) != std::future_status::ready) return false;
      stopping.thread.join();
      return true;
    });
    return threads.size();
  }
};
Hung& hung() {
  static Hung& all = *new Hung;
  return all;
}

void flush_sinks(GstElement* pipeline) {
  if (!GST_IS_BIN(pipeline)) return;
  GstIterator* sinks = gst_bin_iterate_sinks(GST_BIN(pipeline));
  const auto flush = [](const GValue* item, void*) {
    if (GstPad* pad = gst_element_get_static_pad(GST_ELEMENT(g_value_get_object(item)), "sink")) {
      gst_pad_send_event(pad, gst_event_new_flush_start());
      gst_object_unref(pad);
    }
  };
  gst_iterator_foreach(sinks, flush, nullptr);
  gst_iterator_free(sinks);
}

void stop(GstRemains remains) {
  // Whoever waits in the sink for its reader goes on: nobody reads any more.
  if (remains.sink)
    g_object_set(remains.sink.get(), "wait-on-eos", FALSE, "drop", TRUE, "max-buffers", 1U, nullptr);
  if (remains.send_end && gst_element_send_event(remains.pipeline.get(), gst_event_new_eos()))
    GstHandle<GstMessage>(
        gst_bus_timed_pop_filtered(remains.bus.get(), kEndOfStreamWait,
                                   static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR)));
  gst_element_set_state(remains.pipeline.get(), GST_STATE_NULL);
}

}  // namespace

bool stop_pipeline(GstRemains remains) {
  const GstHandle<GstElement> pipeline(GST_ELEMENT(gst_object_ref(remains.pipeline.get())));
  std::packaged_task<void(GstRemains)> task(stop);
  std::future<void> done = task.get_future();
  std::thread thread(std::move(task), std::move(remains));
  if (done.wait_for(kFlushAfter) != std::future_status::ready) flush_sinks(pipeline.get());
  if (done.wait_for(kLimit - kFlushAfter) == std::future_status::ready) {
    thread.join();
    return true;
  }
  const std::lock_guard lock(hung().mutex);
  hung().threads.push_back({std::move(thread), std::move(done)});
  return false;
}

std::size_t hung_pipelines() {
  return hung().count();
}

}  // namespace driftloop::capture
