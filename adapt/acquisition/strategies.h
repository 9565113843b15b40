// The makers that acquisition_table.cpp lists; each lives in the file of its strategy, with its options.
#pragma once
#include <memory>

#include "adapt/acquisition/cover.h"
#include "adapt/acquisition/herding.h"
#include "adapt/acquisition/pixelpick.h"
#include "adapt/acquisition/ripu.h"
#include "adapt/acquisition/strategy.h"

namespace driftloop::adapt {

std::unique_ptr<Strategy> make_entropy(const config::NoOptions&);
std::unique_ptr<Strategy> make_halo(const config::NoOptions&);
std::unique_ptr<Strategy> make_image_entropy(const config::NoOptions&);
std::unique_ptr<Strategy> make_image_random(const config::NoOptions&);
std::unique_ptr<Strategy> make_margin(const config::NoOptions&);
std::unique_ptr<Strategy> make_random(const config::NoOptions&);

}  // namespace driftloop::adapt
