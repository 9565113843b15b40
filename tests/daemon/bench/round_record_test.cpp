// The record that both loops make of a round.
#include "daemon/round_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "config/check.h"
#include "daemon/judged.h"

namespace driftloop::daemon {
namespace {

RoundRecord sample() {
  return {3,
          420,
          45'000,
          690,
          712,
          300,
          700,
          118,
          1'200'000,
          34'000,
          "rolled_back",
          "why",
          0.75,
          0.5,
          6000,
          {{"train", 12.5}, {"judge", 0.5}},
          "models/round_3.safetensors",
          1'500'000'000};
}

TEST(RoundRecord, IsOneLineThatReadsBack) {
  const std::string line = encode_record(sample());
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_EQ(decode_record(line), sample());
}

TEST(RoundRecord, KeepsTheKeysThatScriptsRead) {
  const auto j = nlohmann::json::parse(encode_record(sample()));
  for (const char* key :
       {"round", "steps", "labelled_pixels", "regions", "clicks", "image_pixels", "asked_regions", "frames",
        "bytes_sent", "bytes_received", "verdict", "guard_note", "live_score", "candidate_score",
        "guard_pixels", "seconds", "weights", "memory_bytes"})
    EXPECT_TRUE(j.contains(key)) << key;
  EXPECT_EQ(j.size(), 18u);
}

TEST(RoundRecord, ALineFromBeforeMemoryAndClicksWereNotedIsRead) {
  auto old = nlohmann::json::parse(encode_record(sample()));
  for (const char* later : {"memory_bytes", "clicks", "image_pixels"}) old.erase(later);
  const RoundRecord read = decode_record(old.dump());
  EXPECT_EQ(read.memory_bytes + read.clicks + read.image_pixels, 0);
}

TEST(RoundRecord, WhatIsNoRecordIsOneLineOfError) {
  for (const char* line : {"", "{}", "[1]", "{\"round\": \"three\"}"}) {
    try {
      decode_record(line);
      ADD_FAILURE() << line;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr("not the record of a round"));
    }
  }
}

TEST(RoundRecord, TheReportShowsTheGuardOnlyWhereItCompared) {
  const Round round = report_round(sample());
  EXPECT_EQ(round.round, 3);
  EXPECT_EQ(round.labelled_pixels, 45'000);
  EXPECT_EQ(round.regions, 690);
  EXPECT_EQ(round.frames, 118);
  EXPECT_EQ(round.bytes_sent, 1'200'000);
  EXPECT_EQ(round.steps, 420);
  EXPECT_EQ(round.seconds, sample().seconds);
  EXPECT_EQ(round.guard, Guard::rolled_back);
  EXPECT_EQ(round.guard_note, "why");
  RoundRecord unguarded = sample();
  unguarded.verdict = "promoted";
  unguarded.guard_pixels = 0;
  EXPECT_EQ(report_round(unguarded).guard, Guard::none);
  EXPECT_EQ(report_round(unguarded).guard_note, "");
}

TEST(GuardNote, SaysOfALowerCandidateWhetherByMoreThanIsAllowed) {
  using adapt::Verdict;
  adapt::JudgeReport judged;
  judged.verdict = Verdict::promoted;
  judged.live_score = 0.962;
  judged.candidate_score = 0.955;
  judged.standard_error = 0.004;
  judged.guard_pixels = 1200;
  EXPECT_EQ(
      guard_note(judged),
      "guard pixels right, mean of classes: live 96.2 %, candidate 95.5 % (s.e. 0.4, 1200 pixels): lower, "
      "but by no more than is allowed");
  judged.verdict = Verdict::rolled_back;
  judged.candidate_score = 0.8;
  EXPECT_THAT(guard_note(judged), testing::EndsWith("pixels): lower by more than is allowed"));
  judged.verdict = Verdict::promoted;
  judged.candidate_score = 0.97;
  EXPECT_THAT(guard_note(judged), testing::EndsWith("(s.e. 0.4, 1200 pixels)"));
  judged.verdict = Verdict::rolled_back;
  EXPECT_THAT(guard_note(judged), testing::EndsWith("pixels): too far below the best that was live"));
  judged.lost_classes = {"sidewalk", "pole"};
  EXPECT_THAT(guard_note(judged), testing::EndsWith("pixels): lost sidewalk, pole"));
  judged = {};
  judged.verdict = Verdict::promoted;
  EXPECT_EQ(guard_note(judged), "no guard set: every candidate goes live");
}

}  // namespace
}  // namespace driftloop::daemon
