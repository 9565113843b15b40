# The git revision, stored beside every result.
find_package(Git QUIET)
set(DRIFTLOOP_REVISION "unknown")
if(GIT_FOUND)
  execute_process(COMMAND ${GIT_EXECUTABLE} describe --always --dirty WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
                  OUTPUT_VARIABLE DRIFTLOOP_REVISION OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
if(NOT DRIFTLOOP_REVISION)
  set(DRIFTLOOP_REVISION "unknown")
endif()
