// A made-up run for the tests of the report and for looking at the page. Its figures are nobody's result.
#pragma once
#include "daemon/report/report.h"

namespace driftloop::test {

/// Five arms, four rounds, 19 classes, guard decisions; no pictures.
daemon::Report sample_report();

/// A row of six panels of a drawn street.
daemon::Picture sample_picture(int seed);

/// The arm of this name. Fails the test's contract (CheckError) when there is none.
daemon::Arm& arm_of(daemon::Report& report, const std::string& name);

/// Sets the mIoU of the arm's last round, 0..1.
void set_final(daemon::Report& report, const std::string& name, double miou);

}  // namespace driftloop::test
