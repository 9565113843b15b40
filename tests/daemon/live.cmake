# Tests of driftloopd. The first needs no learner at run time, the others step a tiny one.
driftloop_test(daemon_live_parts_test LABEL unit
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/live_codec_test.cpp ${CMAKE_CURRENT_LIST_DIR}/live_options_test.cpp
          ${CMAKE_CURRENT_LIST_DIR}/live_place_test.cpp ${CMAKE_CURRENT_LIST_DIR}/live_health_test.cpp
          ${CMAKE_CURRENT_LIST_DIR}/live_capture_test.cpp ${CMAKE_CURRENT_LIST_DIR}/ask_budget_test.cpp
          ${CMAKE_CURRENT_LIST_DIR}/publication_test.cpp ${CMAKE_CURRENT_LIST_DIR}/stage_plan_test.cpp
          ${CMAKE_CURRENT_LIST_DIR}/options_check_test.cpp ${CMAKE_CURRENT_LIST_DIR}/options_json_test.cpp
          ${CMAKE_CURRENT_LIST_DIR}/status_report_test.cpp ${CMAKE_CURRENT_LIST_DIR}/region_desk_test.cpp
  LINKS driftloop::daemon spdlog::spdlog opencv_imgproc opencv_imgcodecs)
target_compile_definitions(daemon_live_parts_test PRIVATE $<TARGET_PROPERTY:driftloop_daemon,COMPILE_DEFINITIONS>)
if(TARGET driftloopd)
  driftloop_test(daemon_live_loop_test LABEL fault
    TIMEOUT 600
    SOURCES ${CMAKE_CURRENT_LIST_DIR}/live_loop_test.cpp ${CMAKE_CURRENT_LIST_DIR}/live_world.cpp
    LINKS driftloop::daemon opencv_imgproc opencv_imgcodecs)
  driftloop_test(daemon_month_test LABEL fault
    TIMEOUT 900
    SOURCES ${CMAKE_CURRENT_LIST_DIR}/month_test.cpp ${CMAKE_CURRENT_LIST_DIR}/live_world.cpp
    LINKS driftloop::daemon driftloop::streetsim opencv_imgproc opencv_imgcodecs)
  driftloop_test(daemon_live_program_test LABEL fault
    SOURCES ${CMAKE_CURRENT_LIST_DIR}/live_program_test.cpp
    LINKS driftloop::daemon
    ENV "DRIFTLOOPD=$<TARGET_FILE:driftloopd>")
  add_dependencies(daemon_live_program_test driftloopd)
endif()
