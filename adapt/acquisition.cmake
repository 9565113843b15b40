# Sources of acquisition, relative to adapt/. The CUDA list is compiled where nvcc is found, with DRIFTLOOP_CUDA_KERNELS defined.
set(DRIFTLOOP_ACQUISITION_SOURCES
  acquisition/acquisition_table.cpp acquisition/city_quota.cpp acquisition/cosine_kmeans.cpp acquisition/cover.cpp
  acquisition/cover_choice.cpp acquisition/entropy.cpp acquisition/frame_choice.cpp acquisition/halo.cpp acquisition/herding.cpp acquisition/image_entropy.cpp acquisition/image_random.cpp
  acquisition/image_strategy.cpp acquisition/margin.cpp acquisition/max_herding.cpp acquisition/options.cpp acquisition/pick.cpp acquisition/pixel_maps.cpp acquisition/pixel_rows.cpp acquisition/pixel_rows_kernel.cpp acquisition/pixelpick.cpp acquisition/random.cpp
  acquisition/region_budget.cpp acquisition/region_score.cpp acquisition/ripu.cpp acquisition/scan_log.cpp acquisition/score_map.cpp acquisition/strategy.cpp acquisition/tile_choice.cpp acquisition/tile_features.cpp
  acquisition/window.cpp acquisition/window_impurity.cpp acquisition/window_kernel.cpp acquisition/window_strategy.cpp)
set(DRIFTLOOP_ACQUISITION_CUDA_SOURCES acquisition/region_score.cu)
# The inner loops, vectorised; LibTorch's precompiled header is built with other options.
set(DRIFTLOOP_ACQUISITION_INNER_LOOPS acquisition/pixel_rows_kernel.cpp acquisition/window_kernel.cpp)
