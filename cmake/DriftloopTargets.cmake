# Warnings and sanitizers are applied per target, privately: nobody who links a room inherits them.
function(driftloop_target target)
  target_include_directories(${target} PUBLIC ${PROJECT_SOURCE_DIR})
  target_compile_options(${target} PRIVATE
    $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Werror>)
  # GCC's own warnings about std::string's inside, wrong in these versions: PR 105651 and 105329.
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 12 AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
  endif()
  if(DRIFTLOOP_SANITIZE)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${DRIFTLOOP_SANITIZE} -fno-omit-frame-pointer>)
    target_link_options(${target} PUBLIC -fsanitize=${DRIFTLOOP_SANITIZE})
    if(DRIFTLOOP_SANITIZE MATCHES undefined)
      target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fno-sanitize-recover=undefined>)
    endif()
  endif()
endfunction()

# driftloop_room(<room> SOURCES ... [LINKS ...] [PRIVATE_LINKS ...]): the library driftloop::<room>.
# LINKS are what its headers show, PRIVATE_LINKS what only its sources use.
function(driftloop_room room)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS;PRIVATE_LINKS" ${ARGN})
  add_library(driftloop_${room} STATIC ${ARG_SOURCES})
  add_library(driftloop::${room} ALIAS driftloop_${room})
  driftloop_target(driftloop_${room})
  target_link_libraries(driftloop_${room} PUBLIC ${ARG_LINKS} PRIVATE ${ARG_PRIVATE_LINKS})
endfunction()

# driftloop_test(<name> LABEL unit|golden|contract|fault|e2e SOURCES ... LINKS ... [PCH_FROM target] [ENV ...] [TIMEOUT s]):
# a GoogleTest binary on the reseeding main; one CTest entry per binary, so that LibTorch is loaded once, not once a case.
function(driftloop_test name)
  cmake_parse_arguments(ARG "" "LABEL;PCH_FROM;TIMEOUT" "SOURCES;LINKS;ENV" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  driftloop_target(${name})
  target_link_libraries(${name} PRIVATE ${ARG_LINKS} driftloop_test_support GTest::gmock)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  if(ARG_PCH_FROM)
    target_precompile_headers(${name} REUSE_FROM ${ARG_PCH_FROM})
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  if(DRIFTLOOP_SANITIZE MATCHES thread)
    list(APPEND ARG_ENV "TSAN_OPTIONS=ignore_noninstrumented_modules=1:suppressions=${PROJECT_SOURCE_DIR}/tests/tsan.supp")
  endif()
  add_test(NAME ${ARG_LABEL}/${name} COMMAND ${name})
  set_tests_properties(${ARG_LABEL}/${name} PROPERTIES LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT} ENVIRONMENT "${ARG_ENV}")
endfunction()
