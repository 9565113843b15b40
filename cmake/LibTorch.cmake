# driftloop::torch, from the first of: Torch_DIR or CMAKE_PREFIX_PATH, as cache or environment variable (a Jetson's own build), or the
# wheel that scripts/setup.sh put into .venv.
#
# The libraries are linked by path, and find_package(Torch) is not called: the wheel's package config demands a CUDA toolkit even
# for CPU use, ignores CMAKE_CUDA_ARCHITECTURES and leans on CMake's withdrawn FindCUDA. Every LibTorch (wheel, NVIDIA's wheel, zip) has the
# same layout <root>/{include,lib,share/cmake/Torch}, so one path serves all of them.

# With a toolkit: the .cu files and LibTorch's CUDA half. Without one, but with the wheel's CUDA libraries installed (setup.sh --cuda on a
# machine that has only a driver): the CUDA half alone, so that everything but our own kernels runs on the GPU.
if(NOT DRIFTLOOP_TORCH_ROOT)
  string(REPLACE ":" ";" torch_prefixes "$ENV{CMAKE_PREFIX_PATH}")
  find_path(torch_config TorchConfig.cmake NO_CACHE NO_DEFAULT_PATH
            HINTS ${Torch_DIR} $ENV{Torch_DIR} ${CMAKE_PREFIX_PATH} ${torch_prefixes}
            PATH_SUFFIXES Torch share/cmake/Torch lib/cmake/Torch)
  if(torch_config)
    get_filename_component(found_root ${torch_config}/../../.. ABSOLUTE)
  else()
    file(GLOB found_root ${PROJECT_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch)
  endif()
  if(NOT found_root)
    message(FATAL_ERROR "LibTorch not found. Run scripts/setup.sh (it puts the official wheel into .venv), or give "
                        "-DTorch_DIR=<folder of TorchConfig.cmake>.")
  endif()
  list(GET found_root 0 found_root)
  set(DRIFTLOOP_TORCH_ROOT "${found_root}" CACHE PATH "LibTorch: the folder that holds include/ and lib/" FORCE)
endif()
foreach(part include/ATen/ATen.h include/torch/csrc/api/include/torch/torch.h lib/libtorch_cpu.so lib/libc10.so)
  if(NOT EXISTS ${DRIFTLOOP_TORCH_ROOT}/${part})
    message(FATAL_ERROR "LibTorch in ${DRIFTLOOP_TORCH_ROOT} is incomplete: ${part} is missing. Run scripts/setup.sh again, or give another "
                        "-DDRIFTLOOP_TORCH_ROOT= (the folder that holds include/ and lib/).")
  endif()
endforeach()

add_library(driftloop_torch INTERFACE)
add_library(driftloop::torch ALIAS driftloop_torch)
target_include_directories(driftloop_torch SYSTEM INTERFACE
  ${DRIFTLOOP_TORCH_ROOT}/include ${DRIFTLOOP_TORCH_ROOT}/include/torch/csrc/api/include)
target_link_libraries(driftloop_torch INTERFACE ${DRIFTLOOP_TORCH_ROOT}/lib/libtorch_cpu.so ${DRIFTLOOP_TORCH_ROOT}/lib/libc10.so Threads::Threads)
set(CMAKE_BUILD_RPATH ${DRIFTLOOP_TORCH_ROOT}/lib)

# at::parallel_for is a plain loop in what is compiled without OpenMP. Its runtime is the one that LibTorch brought, so that there is one
# pool of threads; Clang would want its own runtime beside it, and does without.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  file(GLOB torch_gomp ${DRIFTLOOP_TORCH_ROOT}/lib/libgomp*.so*)
  if(NOT torch_gomp)
    set(torch_gomp gomp)  # a Jetson's or a distribution's LibTorch uses the system's
  endif()
  list(GET torch_gomp 0 torch_gomp)
  target_compile_options(driftloop_torch INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fopenmp>)
  target_link_libraries(driftloop_torch INTERFACE ${torch_gomp})
endif()

# The wheel keeps NVIDIA's libraries beside it; the CPU set-up has the CUDA runtime there but neither cuBLAS nor cuDNN.
file(GLOB torch_nvidia_libs ${DRIFTLOOP_TORCH_ROOT}/../nvidia/cu[0-9]*/lib)
file(GLOB torch_cublas ${DRIFTLOOP_TORCH_ROOT}/../nvidia/cu[0-9]*/lib/libcublas.so.*)
if(DRIFTLOOP_CUDA AND NOT EXISTS ${DRIFTLOOP_TORCH_ROOT}/lib/libtorch_cuda.so)
  message(FATAL_ERROR "DRIFTLOOP_CUDA is on, but ${DRIFTLOOP_TORCH_ROOT} is a LibTorch without CUDA (no lib/libtorch_cuda.so). "
                      "Run scripts/setup.sh --cuda, or configure with -DDRIFTLOOP_CUDA=OFF.")
elseif(DRIFTLOOP_CUDA AND torch_nvidia_libs AND NOT torch_cublas)
  message(FATAL_ERROR "DRIFTLOOP_CUDA is on, but the wheel in ${DRIFTLOOP_TORCH_ROOT} has only its CPU libraries. "
                      "Run scripts/setup.sh --cuda, or configure with -DDRIFTLOOP_CUDA=OFF.")
endif()

set(DRIFTLOOP_CUDA_KERNELS OFF)  # true where .cu files are compiled
if(DRIFTLOOP_CUDA)
  list(APPEND CMAKE_BUILD_RPATH ${torch_nvidia_libs})
  # libtorch_cuda registers itself when loaded and nothing refers to it by symbol: the linker must not drop it.
  target_link_libraries(driftloop_torch INTERFACE
    "-Wl,--no-as-needed,${DRIFTLOOP_TORCH_ROOT}/lib/libtorch_cuda.so,--as-needed" ${DRIFTLOOP_TORCH_ROOT}/lib/libc10_cuda.so)
  if(NOT CMAKE_CUDA_COMPILER)
    find_program(driftloop_nvcc nvcc NO_CACHE HINTS /usr/local/cuda/bin)
    if(driftloop_nvcc)
      set(CMAKE_CUDA_COMPILER ${driftloop_nvcc})
    endif()
  endif()
  set(DRIFTLOOP_CUDA_KERNELS ${CMAKE_CUDA_COMPILER})
  # Kernels and LibTorch share one CUDA runtime: another major version of nvcc than the wheel's would load two.
  if(CMAKE_CUDA_COMPILER AND torch_nvidia_libs MATCHES "nvidia/cu([0-9]+)/lib")
    set(wheel_cuda_major ${CMAKE_MATCH_1})
    execute_process(COMMAND ${CMAKE_CUDA_COMPILER} --version OUTPUT_VARIABLE nvcc_version ERROR_QUIET)
    if(NOT nvcc_version MATCHES "release ${wheel_cuda_major}\\.")
      message(WARNING "${CMAKE_CUDA_COMPILER} is not CUDA ${wheel_cuda_major}, which LibTorch was built with: our CUDA kernels are not built. "
                      "Give -DCMAKE_CUDA_COMPILER= of a CUDA ${wheel_cuda_major} toolkit to have them.")
      set(DRIFTLOOP_CUDA_KERNELS OFF)
    endif()
  endif()
  if(DRIFTLOOP_CUDA_KERNELS)
    if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
      # Orin; or desktop Ampere and Ada, Hopper. Their PTX serves what is newer. Each one more costs seconds per .cu file.
      if(CMAKE_SYSTEM_PROCESSOR STREQUAL aarch64)
        set(CMAKE_CUDA_ARCHITECTURES 87)
      else()
        set(CMAKE_CUDA_ARCHITECTURES 86 90)
      endif()
    endif()
    set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)  # one CUDA runtime in the process, the one libtorch_cuda uses
    enable_language(CUDA)
    find_package(CUDAToolkit REQUIRED)
    # CMake before 3.26 does not know that nvcc 12 and later take C++20 (JetPack 6 has 12.6), and .cu files follow CMAKE_CXX_STANDARD.
    foreach(kind STANDARD EXTENSION)
      if(NOT CMAKE_CUDA20_${kind}_COMPILE_OPTION)
        set(CMAKE_CUDA20_${kind}_COMPILE_OPTION -std=c++20)
      endif()
    endforeach()
    target_compile_options(driftloop_torch INTERFACE
      "$<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr;--expt-extended-lambda;-Xcudafe;--diag_suppress=bad_friend_decl>")
    target_link_libraries(driftloop_torch INTERFACE CUDA::cudart)
    message(STATUS "CUDA ${CMAKE_CUDA_COMPILER_VERSION}: kernels for ${CMAKE_CUDA_ARCHITECTURES}")
  else()
    message(STATUS "No nvcc: LibTorch's own CUDA half is linked, our CUDA kernels are not built")
  endif()
endif()
message(STATUS "LibTorch: ${DRIFTLOOP_TORCH_ROOT}")
