// report.html: one file, everything inline, nothing fetched. Tables and pictures stand in the HTML itself;
// only the charts need JavaScript.
#pragma once
#include <string>

#include "daemon/report/report.h"

namespace driftloop::daemon {

/// The whole page, UTF-8, below 4 MB: rows of pictures beyond that are named instead of shown.
std::string render_page(const Report& report);

}  // namespace driftloop::daemon
