// Where the pictures of a report lie.
#pragma once
#include <cstddef>
#include <string>

#include "daemon/report/report.h"

namespace driftloop::daemon {

/// "pictures/00-1-prediction-before.jpg": the file of a panel, relative to the folder of the report.
std::string panel_file(std::size_t row, std::size_t column, const Panel& panel);

}  // namespace driftloop::daemon
