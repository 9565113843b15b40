// What an engine keeps: states, memories, the live model, and what is left after damage to them.
#include <gmock/gmock.h>

#include <fstream>

#include "adapt/files/safetensors.h"
#include "config/check.h"
#include "tests/adapt/engine_world.h"

namespace driftloop::adapt {
namespace {
using testing::HasSubstr;

class EngineStateTest : public EngineTest {};

/// By this process so far, from anything.
std::int64_t bytes_read() {
  std::string name;
  std::int64_t bytes = 0;
  std::ifstream("/proc/self/io") >> name >> bytes;
  return bytes;
}

EngineOptions with_all_terms() {
  EngineOptions o = tiny();
  o.train.accumulate = 2;
  o.train.copy_paste = 0.7;
  o.train.source_weight_end = 0.3;
  o.train.class_balance = 0.5;
  o.train.freeze = {"encoder.layer1"};
  o.train.horizon_steps = 6;
  o.selftrain.labelled_weight = 1;
  o.selftrain.class_sampling = true;
  o.selftrain.adaptive_cutmix = true;
  o.selftrain.contrast.weight = 0.1;
  o.selftrain.contrast.queries = 16;
  o.selftrain.contrast.negatives = 8;
  return o;
}

TEST_F(EngineStateTest, AResumedRunIsTheRun) {
  for (const std::string optimiser : {"adamw", "sgd", "all terms"}) {
    EngineOptions options = tiny();
    if (optimiser == "all terms")
      options = with_all_terms();
    else
      options.train.optimiser = optimiser;
    options.guard.enabled = false;
    Engine whole = make(options);
    round(whole, 2);
    round(whole, 4);

    Engine first = make(options);
    round(first, 2);
    first.set_note("after round 1");
    first.save(folder_ / optimiser);
    Engine second = make(options);
    ASSERT_TRUE(second.load(folder_ / optimiser));
    EXPECT_EQ(second.note(), "after round 1");
    EXPECT_EQ(second.step(), 2);
    EXPECT_EQ(second.labels().train_pixels, first.labels().train_pixels);
    second.merge(answer(ask(second)));
    second.train({1});
    second.save(folder_ / optimiser);
    Engine third = make(options);  // stopped in mid-training
    ASSERT_TRUE(third.load(folder_ / optimiser));
    third.train({3});
    third.judge();
    EXPECT_TRUE(weights_of(third) == weights_of(whole)) << optimiser;
  }
}

TEST_F(EngineStateTest, ADamagedCheckpointLeavesTheOneBefore) {
  Engine engine = make(tiny());
  engine.set_note("one");
  engine.save(folder_ / "state");
  engine.set_note("two");
  engine.save(folder_ / "state");
  std::fstream newest(folder_ / "state" / "state_b.safetensors",
                      std::ios::in | std::ios::out | std::ios::binary);
  newest.seekp(100'000);
  newest.put('!');
  newest.close();
  Engine back = make(tiny());
  ASSERT_TRUE(back.load(folder_ / "state"));
  EXPECT_EQ(back.note(), "one");
  EXPECT_FALSE(make(tiny()).load(folder_ / "nothing"));
}

TEST_F(EngineStateTest, AMemoryOnTopOfAnOlderStateGoesOnAsTheRun) {
  EngineOptions options = tiny();
  options.guard.enabled = false;
  Engine whole = make(options);
  whole.train({2});
  whole.merge(answer(ask(whole)));
  whole.train({3});

  Engine first = make(options);
  first.train({2});
  first.set_note("trained");
  first.save(folder_ / "state");
  const auto chosen = ask(first);
  first.set_note("asked");
  first.save_memory(folder_ / "state");
  first.merge(answer(chosen));
  first.set_note("merged");
  first.save_memory(folder_ / "state");
  first.train({1});  // lost with the power: the weights are those of the state
  Engine second = make(options);
  ASSERT_TRUE(second.load(folder_ / "state"));
  EXPECT_EQ(second.note(), "merged");
  EXPECT_EQ(second.step(), 2);
  EXPECT_EQ(second.labels().train_pixels, whole.labels().train_pixels);
  second.train({3});
  second.judge();
  whole.judge();
  EXPECT_TRUE(weights_of(second) == weights_of(whole));
  second.set_note("later");
  second.save(folder_ / "state");
  Engine third = make(options);
  ASSERT_TRUE(third.load(folder_ / "state"));
  EXPECT_EQ(third.note(), "later") << "an older memory lay on top of a newer state";
}

TEST_F(EngineStateTest, DamageToAMemoryOrToBothStatesLosesTheLeast) {
  const auto state = folder_ / "state";
  const auto damage = [&](const char* name) {
    std::fstream file(state / name, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(60);
    file.put('!');
  };
  Engine engine = make(tiny());
  engine.set_note("one");
  engine.save_memory(state);  // the first in a folder is the whole state
  ASSERT_TRUE(make(tiny()).load(state));
  engine.set_note("two");
  engine.save_memory(state);
  ask(engine);
  engine.set_note("three");
  engine.save_memory(state);
  damage("memory_b.safetensors");
  Engine back = make(tiny());
  ASSERT_TRUE(back.load(state));
  EXPECT_EQ(back.note(), "two");
  EXPECT_TRUE(back.asked().empty());
  back.set_note("four");
  back.save_memory(state);
  damage("state_a.safetensors");
  Engine without = make(tiny());
  EXPECT_FALSE(without.load(state));
  EXPECT_EQ(without.note(), "");
  ASSERT_TRUE(without.load_memory(state));
  EXPECT_EQ(without.note(), "four");
  EXPECT_FALSE(make(tiny()).load_memory(folder_ / "nothing"));
}

TEST_F(EngineStateTest, ADamagedRevisionDoesNotBringBackThePast) {
  Engine engine = make(tiny());
  engine.set_note("one");
  engine.save(folder_ / "state");
  engine.set_note("two");
  engine.save(folder_ / "state");
  const auto seal = folder_ / "state" / "state_a.seal";
  config::write_durably(seal, "9" + config::read_file(seal));
  Engine back = make(tiny());
  ASSERT_TRUE(back.load(folder_ / "state"));
  EXPECT_EQ(back.note(), "two");
  back.set_note("three");
  back.save(folder_ / "state");
  ASSERT_TRUE(back.load(folder_ / "state"));
  EXPECT_EQ(back.note(), "three");
}

TEST_F(EngineStateTest, ASaveReadsNothingBackAndStoresEqualNetsOnce) {
  const auto state = folder_ / "state";
  Engine engine = make(tiny());
  engine.save(state);
  const auto first = std::filesystem::file_size(state / "state_a.safetensors");
  engine.train({2});
  engine.save(state);
  const auto trained = std::filesystem::file_size(state / "state_b.safetensors");
  EXPECT_LT(3 * first, trained) << "student, teacher and live model are one at the start";
  EXPECT_LE(static_cast<std::int64_t>(trained + std::filesystem::file_size(state / "live_a.safetensors")),
            engine.state_bytes());
  EXPECT_GT(static_cast<std::int64_t>(trained), engine.state_bytes() / 2);
  const std::int64_t before = bytes_read();
  engine.save(state);
  EXPECT_LT(bytes_read() - before, 10'000);
  // A slot that cannot be read any more is no obstacle to the process that wrote it.
  for (const char* name : {"state_a.safetensors", "state_b.safetensors"})
    std::filesystem::resize_file(state / name, 10);
  engine.set_note("third");
  engine.save(state);
  Engine back = make(tiny());
  ASSERT_TRUE(back.load(state));
  EXPECT_EQ(back.note(), "third");
}

/// The live model is a file of its own; each state finds the one that it was saved with.
TEST_F(EngineStateTest, TheLiveModelIsWrittenOnceAPromotion) {
  const auto state = folder_ / "state";
  EngineOptions options = tiny();
  options.guard.enabled = false;
  Engine engine = make(options);
  engine.train({1});
  engine.judge();
  const std::string first_live = weights_of(engine);
  engine.train({1});
  engine.save(state);
  const auto written = std::filesystem::last_write_time(state / "live_a.safetensors");
  engine.train({1});
  engine.save(state);
  EXPECT_EQ(std::filesystem::last_write_time(state / "live_a.safetensors"), written);
  EXPECT_FALSE(std::filesystem::exists(state / "live_b.safetensors"));
  engine.judge();
  engine.train({1});
  const auto before = folder_ / "before";
  std::filesystem::copy(state, before, std::filesystem::copy_options::recursive);
  engine.save(state);
  // A death after the live model's file and before the state's: the state finds its own live model.
  for (const char* name : {"live_b.safetensors", "live_b.seal"})
    std::filesystem::copy(state / name, before / name);
  Engine back = make(options);
  ASSERT_TRUE(back.load(before));
  EXPECT_TRUE(weights_of(back) == first_live);
  back.judge();
  back.train({1});
  back.save(before);  // must not overwrite what the newest state but one names
  ASSERT_TRUE(back.load(state));
  EXPECT_TRUE(weights_of(back) == weights_of(engine));
  std::filesystem::resize_file(state / "live_b.safetensors", 10);
  ASSERT_TRUE(back.load(state)) << "the live model before it stands in";
  EXPECT_TRUE(weights_of(back) == first_live);
  std::filesystem::resize_file(state / "live_a.safetensors", 10);
  try {
    back.load(state);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("cannot be read"));
  }
  const auto spare = folder_ / "spare.safetensors";
  engine.live().save(spare);
  const auto loaded = back.load(state, spare);
  EXPECT_TRUE(loaded.found && loaded.spare_live);
  EXPECT_TRUE(weights_of(back) == weights_of(engine));
  EXPECT_EQ(back.step(), engine.step());
  back.save(state);
  EXPECT_FALSE(make(options).load(state, spare).spare_live) << "the next save makes it whole again";
}

}  // namespace
}  // namespace driftloop::adapt
