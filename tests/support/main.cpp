// The main of every test binary: reseeds the C generator before each test, so that no test depends on the
// order.
#include <gtest/gtest.h>

#include <cstdlib>

namespace {
class Reseed : public testing::EmptyTestEventListener {
  void OnTestStart(const testing::TestInfo&) override { std::srand(1); }
};
}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  testing::UnitTest::GetInstance()->listeners().Append(new Reseed);
  return RUN_ALL_TESTS();
}
