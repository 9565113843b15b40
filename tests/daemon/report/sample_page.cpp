// driftloop_report_sample FOLDER: writes the page of the made-up run, to look at while working on the page.
#include <iostream>

#include "tests/daemon/report/sample_report.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: driftloop_report_sample FOLDER\n";
    return 2;
  }
  driftloop::daemon::Report report = driftloop::test::sample_report();
  report.title = "Sample page (made-up figures)";
  for (int seed = 0; seed < 3; ++seed) report.pictures.push_back(driftloop::test::sample_picture(seed));
  driftloop::daemon::write_report(report, argv[1]);
  std::cout << argv[1] << "/report.html\n";
}
