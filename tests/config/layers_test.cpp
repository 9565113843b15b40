#include "config/layers.h"

#include <gmock/gmock.h>

#include <fstream>

#include "config/check.h"
#include "tests/support/temp_folder.h"

namespace driftloop::config {
namespace {
using testing::HasSubstr;

struct Inner {
  double rate = 0.5;
  std::string kind = "soft";
};
void describe(Fields& f, Inner& o) {
  f.field("rate", o.rate, {0, 1}, "share, 0..1");
  f.choice("kind", o.kind, {"soft", "hard"}, "which");
}
struct Outer {
  int steps = 3;
  bool quick = false;
  std::string name = "x: y";
  std::vector<std::string> list = {"a"};
  Inner inner;
};
void describe(Fields& f, Outer& o) {
  f.field("steps", o.steps, {1, 10}, "steps");
  f.field("quick", o.quick, "quick");
  f.field("name", o.name, "name");
  f.field("list", o.list, "list");
  f.section("inner", o.inner, "inner things");
}

class LayersTest : public testing::Test {
 protected:
  std::string file(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    return (folder_ / name).string();
  }
  std::string error_of(const std::string& text, const std::vector<std::string>& sets = {}) {
    try {
      Outer options;
      Layers(file("bad.yaml", text), "", sets).apply(options);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
  test::TempFolder folder_;
};

TEST_F(LayersTest, LaterLayersWin) {
  file("base.yaml", "steps: 4\ninner: {rate: 0.25, kind: hard}\n");
  const auto preset = file("preset.yaml", "extends: base.yaml\nsteps: 5\n");
  const auto host = file("host.yaml", "quick: true\nlist: [b, c]\n");
  Outer options;
  Layers(preset, host, {"steps=6", "inner.rate=0.75"}).apply(options);
  EXPECT_EQ(options.steps, 6);
  EXPECT_EQ(options.inner.rate, 0.75);
  EXPECT_EQ(options.inner.kind, "hard");
  EXPECT_TRUE(options.quick);
  EXPECT_EQ(options.list, (std::vector<std::string>{"b", "c"}));
}

TEST_F(LayersTest, ABlankValueIsNotGivenWhateverItsType) {
  const auto preset =
      file("preset.yaml", "steps: 4\nquick: true\nname: n\nlist: [b]\ninner: {rate: 0.25, kind: hard}\n");
  const auto blank = file("blank.yaml", "steps:\nquick: ~\nname:\nlist: null\ninner:\n  rate:\n  kind:\n");
  Outer options;
  Layers(preset, blank, {}).apply(options);
  EXPECT_EQ(options.steps, 4);
  EXPECT_TRUE(options.quick);
  EXPECT_EQ(options.name, "n");
  EXPECT_EQ(options.list, std::vector<std::string>{"b"});
  EXPECT_EQ(options.inner.rate, 0.25);
  EXPECT_EQ(options.inner.kind, "hard");
  Outer quoted;
  Layers("", file("quoted.yaml", "name: 'null'\n"), {}).apply(quoted);
  EXPECT_EQ(quoted.name, "null");
  Outer empty;
  Layers("", file("empty.yaml", "name: ''\n"), {}).apply(empty);
  EXPECT_EQ(empty.name, "");
  EXPECT_THAT(error_of("list: [a, ~]\n"), HasSubstr("bad.yaml:1:7: 'list' has a blank entry"));
}

TEST_F(LayersTest, ABlankValueOnTheCommandLineIsASlip) {
  EXPECT_THAT(error_of("", {"name="}),
              HasSubstr("--set name=: there is no value; for an empty text write name='\"\"'"));
  EXPECT_THAT(error_of("", {"inner.rate="}), HasSubstr("there is no value"));
  EXPECT_THAT(error_of("", {"inner="}), HasSubstr("there is no value"));
  Outer options;
  Layers("", "", {"name=\"\""}).apply(options);
  EXPECT_EQ(options.name, "");
}

TEST_F(LayersTest, ThePlaceOfAValueIsTheLastThatGaveIt) {
  const auto preset = file("preset.yaml", "steps: 4\ninner: {rate: 0.25}\n");
  const auto host = file("host.yaml", "# mine\ninner:\n  rate: 0.5\nname:\n");
  Outer options;
  const Places places = Layers(preset, host, {"quick=true"}).apply(options);
  EXPECT_EQ(places.of("inner.rate"), host + ":3:9");
  EXPECT_EQ(places.of("steps"), preset + ":1:8");
  EXPECT_EQ(places.of("quick"), "--set quick=true");
  EXPECT_EQ(places.of("name"), "");
  EXPECT_EQ(places.of("inner.kind"), "");
  EXPECT_EQ(places.of("steps.deeper"), "");
}

TEST_F(LayersTest, MistakesNameTheirPlace) {
  EXPECT_THAT(error_of("steps: 2\ninner:\n  rte: 0.1\n"),
              HasSubstr("bad.yaml:3:3: unknown key 'inner.rte'; did you mean 'rate'"));
  EXPECT_THAT(error_of("steps: 2\nsteps: 3\n"), HasSubstr("bad.yaml:2:1: the key 'steps' stands here twice"));
  EXPECT_THAT(error_of("steps: many\n"),
              HasSubstr("bad.yaml:1:8: 'steps' must be a whole number, not 'many'"));
  EXPECT_THAT(error_of("steps: 11\n"), HasSubstr("'steps' must lie in [1, 10], not 11"));
  EXPECT_THAT(error_of("inner: {rate: .nan}\n"), HasSubstr("'inner.rate' must lie in [0, 1]"));
  EXPECT_THAT(error_of("inner: {kind: sift}\n"), HasSubstr("did you mean 'soft'"));
  EXPECT_THAT(error_of("inner: 3\n"), HasSubstr("'inner' must hold"));
  EXPECT_THAT(error_of("steps: [\n"), HasSubstr("bad.yaml:2:1"));
  EXPECT_THAT(error_of("", {"stps=3"}), HasSubstr("--set stps=3: unknown key 'stps'; did you mean 'steps'"));
  EXPECT_THAT(error_of("", {"steps"}), HasSubstr("write it as section.key=value"));
  EXPECT_THAT(error_of("extends: [bad.yaml]\n"), HasSubstr("bad.yaml:1:10: 'extends' must be the name"));
  EXPECT_THAT(error_of("extends: bad.yaml\n"), HasSubstr("circle"));
  EXPECT_THAT(error_of("extends: nowhere\n"), HasSubstr("preset 'nowhere' is not known"));
}

TEST_F(LayersTest, WhatIsPrintedReadsBack) {
  Outer options;
  options.steps = 7;
  options.inner.rate = 0.1;
  const std::string text = to_yaml(options, Comments::help);
  EXPECT_THAT(text, HasSubstr("share, 0..1 [0..1]"));
  Outer back;
  Layers(file("out.yaml", text), "", {}).apply(back);
  EXPECT_EQ(to_yaml(back), to_yaml(options));
}

}  // namespace
}  // namespace driftloop::config
