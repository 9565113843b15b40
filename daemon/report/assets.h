// Files embedded in the program at build time by embed.cmake, so that a report needs no network and no
// installed file.
#pragma once
#include <string_view>

namespace driftloop::daemon::assets {

std::string_view page_css();
std::string_view page_js();
// Mustache templates: the page, and what it uses more than once.
std::string_view page_mustache();
std::string_view table_mustache();
std::string_view panels_mustache();
std::string_view legend_mustache();

}  // namespace driftloop::daemon::assets
