#include "adapt/acquisition/pixel_rows_kernel.h"

#include <algorithm>
#include <cstring>

namespace driftloop::adapt {
namespace {
constexpr float kLog2E = 1.44269504F;
}
}  // namespace driftloop::adapt

#define DRIFTLOOP_KERNEL "adapt/acquisition/pixel_rows_kernel.inc"
#include "adapt/model/for_each_cpu.inc"

namespace driftloop::adapt {

void widen(const float* row, long plane, int width, int classes, const StripColumns& at, float* out) {
  DRIFTLOOP_BEST(widen)(row, plane, width, classes, at, out);
}

void fill_strip(const StripRows& rows, const StripMaps& to) {
  DRIFTLOOP_BEST(fill_strip)(rows, to);
}

void largest_class(const float* columns, int classes, int tile_px, std::int32_t* id) {
  DRIFTLOOP_BEST(largest_class)(columns, classes, tile_px, id);
}

}  // namespace driftloop::adapt
