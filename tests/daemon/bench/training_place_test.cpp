// How far a training has come, as its state says.
#include "daemon/bench/training_place.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/error_of.h"

namespace driftloop::daemon {
namespace {

TEST(TrainingPlace, ReadsBack) {
  const TrainingPlace place{3, true, 400, 2, 1, {{"train", 1.5}}, {{"source", 90.5}}, 397};
  EXPECT_EQ(decode_training_place(encode_training_place(place)), place);
}

TEST(TrainingPlace, WhatAnOlderBuildWroteIsRefusedInOneLine) {
  for (const char* note : {"", "3", "{}", R"({"round": "x"})"})
    EXPECT_THAT(test::error_of([&] { decode_training_place(note); }),
                testing::HasSubstr("give another --out"))
        << note;
}

}  // namespace
}  // namespace driftloop::daemon
