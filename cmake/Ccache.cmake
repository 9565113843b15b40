# ccache when present. The sloppiness is what makes it work with precompiled headers (ccache manual, "Precompiled headers").
find_program(DRIFTLOOP_CCACHE ccache)
if(DRIFTLOOP_CCACHE)
  set(launcher ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      ${DRIFTLOOP_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${launcher})
endif()
