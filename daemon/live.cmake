# The sources of driftloopd but for its main, relative to daemon/.
set(DRIFTLOOP_LIVE_SOURCES
  ask_budget.cpp capture_thread.cpp daemon_options.cpp health.cpp judged.cpp learner_thread.cpp live_loop.cpp live_loop_asking.cpp
  live_loop_borders.cpp live_loop_rest.cpp live_place.cpp live_status.cpp manifest.cpp moment.cpp options_check.cpp
  publication.cpp region_codec.cpp start_weights.cpp state_folder.cpp store_pool.cpp uplink_thread.cpp)
