// Files embedded in the program at build time by embed.cmake, so that a report needs no network and no
// installed file.
#pragma once
#include <string_view>

namespace driftloop::daemon::assets {

std::string_view chart_js();  // the distribution's Chart.js, minified, with its licence comment
std::string_view page_css();
std::string_view page_js();

}  // namespace driftloop::daemon::assets
