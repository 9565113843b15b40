# The sources of driftloopd but for its main, relative to daemon/.
set(DRIFTLOOP_LIVE_SOURCES
  capture_thread.cpp daemon_options.cpp health.cpp judged.cpp live_loop.cpp live_loop_borders.cpp live_place.cpp live_status.cpp moment.cpp options_check.cpp
  region_codec.cpp start_weights.cpp state_folder.cpp store_pool.cpp uplink_thread.cpp)
