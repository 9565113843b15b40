# driftloop::torch, from the first of: Torch_DIR or CMAKE_PREFIX_PATH (a Jetson's own build), or the wheel that scripts/setup.sh
# put into .venv. The wheel's own package config demands a CUDA toolkit, so without DRIFTLOOP_CUDA only its CPU libraries are used.
add_library(driftloop_torch INTERFACE)
add_library(driftloop::torch ALIAS driftloop_torch)

if(NOT DRIFTLOOP_TORCH_ROOT)
  file(GLOB wheel_torch ${PROJECT_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch)
  if(wheel_torch)
    list(GET wheel_torch 0 wheel_torch)
  endif()
  set(DRIFTLOOP_TORCH_ROOT "${wheel_torch}" CACHE PATH "The torch folder of the wheel (holds include/ and lib/)")
endif()

function(driftloop_use_torch_package)
  if(NOT TORCH_CUDA_ARCH_LIST)
    # Orin 8.7, desktop Ada 8.9, Hopper 9.0, Thor 11.0 where the toolkit knows it; Torch's own default includes ones nvcc 13 refuses.
    set(TORCH_CUDA_ARCH_LIST "8.7;8.9;9.0" PARENT_SCOPE)
    set(TORCH_CUDA_ARCH_LIST "8.7;8.9;9.0")
  endif()
  find_package(Torch REQUIRED)
  target_link_libraries(driftloop_torch INTERFACE ${TORCH_LIBRARIES})
endfunction()

if(Torch_DIR OR (DRIFTLOOP_CUDA AND NOT DRIFTLOOP_TORCH_ROOT))
  driftloop_use_torch_package()
elseif(DRIFTLOOP_CUDA)
  list(APPEND CMAKE_PREFIX_PATH ${DRIFTLOOP_TORCH_ROOT}/share/cmake)
  driftloop_use_torch_package()
elseif(DRIFTLOOP_TORCH_ROOT)
  target_include_directories(driftloop_torch SYSTEM INTERFACE
    ${DRIFTLOOP_TORCH_ROOT}/include ${DRIFTLOOP_TORCH_ROOT}/include/torch/csrc/api/include)
  target_link_libraries(driftloop_torch INTERFACE ${DRIFTLOOP_TORCH_ROOT}/lib/libtorch_cpu.so ${DRIFTLOOP_TORCH_ROOT}/lib/libc10.so)
  # RUNPATH is not followed for the wheel's own dependencies; they carry their own.
  set(CMAKE_BUILD_RPATH ${DRIFTLOOP_TORCH_ROOT}/lib)
else()
  find_package(Torch QUIET)
  if(NOT Torch_FOUND)
    message(FATAL_ERROR "LibTorch not found. Run scripts/setup.sh (puts the official wheel into .venv), or give -DTorch_DIR=<path to TorchConfig.cmake>.")
  endif()
  target_link_libraries(driftloop_torch INTERFACE ${TORCH_LIBRARIES})
endif()
