// The base of tests that need a drive: it is rendered once for all tests of a suite, and only read.
#pragma once
#include <gtest/gtest.h>

#include "tests/e2e/loop_world.h"

namespace driftloop::e2e {

class OnADrive : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = new test::TempFolder;
    render_drive(*shared_ / "drive");
  }
  static void TearDownTestSuite() {
    delete shared_;
    shared_ = nullptr;
  }
  static std::filesystem::path drive() { return *shared_ / "drive"; }

 private:
  static inline test::TempFolder* shared_ = nullptr;
};

}  // namespace driftloop::e2e
