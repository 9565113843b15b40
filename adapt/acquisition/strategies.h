// The factories that acquisition_table.cpp lists; each lives in the file of its strategy.
#pragma once
#include <memory>

#include "adapt/acquisition/strategy.h"

namespace driftloop::adapt {

std::unique_ptr<Strategy> make_cover();
std::unique_ptr<Strategy> make_entropy();
std::unique_ptr<Strategy> make_image_entropy();
std::unique_ptr<Strategy> make_image_random();
std::unique_ptr<Strategy> make_margin();
std::unique_ptr<Strategy> make_random();
std::unique_ptr<Strategy> make_ripu();
std::unique_ptr<Strategy> make_ripu_pixel();

}  // namespace driftloop::adapt
