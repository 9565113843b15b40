// PyTorch's files, written by PyTorch 2.11 (cases/), by hand and by chance.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "adapt/files/pth.h"
#include "adapt/model.h"
#include "adapt/model/import.h"
#include "adapt/model/placed_net.h"
#include "config/check.h"
#include "config/durable_file.h"
#include "config/random.h"
#include "tests/support/temp_folder.h"

namespace driftloop::adapt {
namespace {
namespace fs = std::filesystem;
using testing::HasSubstr;

fs::path case_file(const char* name) {
  return fs::path(DRIFTLOOP_TEST_CASES) / name;
}

std::string error_of(const fs::path& file) {
  try {
    read_pth(file);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(PthTest, BothFormsHoldTheSame) {
  for (const char* name : {"zip.pth", "legacy.pth"}) {
    const TensorFile content = read_pth(case_file(name));
    EXPECT_EQ(content.tensors.size(), 7u) << name;
    const auto at = [&](const char* key) { return content.at(key, name); };
    EXPECT_TRUE(at::equal(at("model_state.module.conv.weight"), at::arange(6.0F).reshape({2, 3})));
    EXPECT_TRUE(at::equal(at("model_state.module.conv.bias"), at::tensor({1.5F, -2.0F})));
    EXPECT_EQ(at("model_state.module.n").item<int>(), 7);
    EXPECT_EQ(at("half").scalar_type(), at::kHalf);
    EXPECT_TRUE(at::equal(at("t"), at::arange(12.0F).reshape({3, 4}).t()));
    EXPECT_TRUE(at::equal(at("row"), at::arange(12.0F).reshape({3, 4})[1]));
    EXPECT_TRUE(at::equal(at("param"), at::ones({2})));
    EXPECT_EQ(content.metadata.at("epoch"), "3");
    EXPECT_EQ(content.metadata.at("name"), "x");
  }
}

TEST(PthTest, WhatWouldBeExecutedIsRefusedByName) {
  EXPECT_THAT(error_of(case_file("evil.pth")), testing::AllOf(HasSubstr("system"), HasSubstr("evil.pth")));
}

TEST(PthTest, WhatIsNoPyTorchFileIsNamed) {
  const test::TempFolder folder;
  config::write_durably(folder / "a.pth", "hello, this is text");
  EXPECT_THAT(error_of(folder / "a.pth"), HasSubstr("a.pth"));
  EXPECT_THAT(error_of(folder / "none.pth"), HasSubstr("none.pth"));
}

/// A legacy file around a pickle written by hand.
std::string legacy_around(const std::string& pickle) {
  const std::string magic("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
  return magic + "\x80\x02M\xe9\x03." + "\x80\x02}." + pickle + "\x80\x02].";
}

TEST(PthTest, SmallFilesCannotAskForMuch) {
  const test::TempFolder folder;
  const auto refused = [&](const std::string& pickle, const char* why) {
    config::write_durably(folder / "bad.pth", legacy_around(pickle));
    EXPECT_THAT(error_of(folder / "bad.pth"), HasSubstr(why));
  };
  refused("\x80\x02" + std::string(100'000, ']') + ".", "no tensor");
  std::string nested = "\x80\x02";
  for (int i = 0; i < 1000; ++i) nested += ']';
  for (int i = 0; i < 999; ++i) nested += 'a';
  refused(nested + ".", "nested");
  // One list that holds a list twice, which holds a list twice ...: 2^40 ways through it.
  std::string twice = "\x80\x02]q";
  twice += '\0';
  for (char i = 1; i < 31; ++i) {
    twice += "](h";
    twice += static_cast<char>(i - 1);
    twice += 'h';
    twice += static_cast<char>(i - 1);
    twice += "eq";
    twice += i;
  }
  refused(twice + ".", "nested");
  refused("\x80\x02" + std::string(1'000'001, 'N') + ".", "more values");
}

TEST(PthTest, DamagedFilesAreRefusedAndNothingElseHappens) {
  const test::TempFolder folder;
  config::Random random(3);
  int read = 0;
  for (const char* name : {"zip.pth", "legacy.pth"}) {
    const std::string whole = config::read_file(case_file(name));
    for (int i = 0; i < 1500; ++i) {
      std::string bytes = whole;
      if (i % 5 == 0) bytes.resize(random.below(bytes.size()));
      const auto flips = bytes.empty() ? 0 : random.below(4) + (i % 5 != 0);
      for (std::uint64_t flip = 0; flip < flips; ++flip)
        bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
      const auto file = folder / "fuzz.pth";
      std::ofstream(file, std::ios::binary) << bytes;
      try {
        for (const auto& [key, tensor] : read_pth(file).tensors) tensor.to(at::kDouble).sum();
        ++read;
      } catch (const Error&) {
      }
    }
  }
  EXPECT_GT(read, 0) << "some damage is in the numbers alone";
}

ModelSpec small(const char* name) {
  ModelSpec spec;
  spec.net.name = name;
  spec.net.width = 0.25;
  spec.net.output_stride = 16;
  return spec;
}

TEST(ImportTest, ABackboneAloneFindsItsPlaceAndTheRestIsTold) {
  const test::TempFolder folder;
  const ModelSpec spec = small("efficientnet_lite0");
  const Model donor(spec, {.device = "cpu"}, 5);
  TensorFile published;
  for (const auto& item : donor.placed()->net().named_parameters())
    if (item.key().starts_with("encoder."))
      published.tensors["module." + item.key().substr(8)] = item.value().detach();
  published.tensors["module._fc.weight"] = at::zeros({10, 4});
  published.tensors["module._bn0.weight"] = at::zeros({3});
  write_safetensors(folder / "backbone.safetensors", published);
  const auto report =
      import_weights({folder / "backbone.safetensors", spec, 6, ""}, folder / "net.safetensors");
  EXPECT_EQ(report.matched.size(), published.tensors.size() - 2);
  EXPECT_THAT(report.other_shape,
              testing::ElementsAre(HasSubstr("encoder._bn0.weight: 3 there, 32 in the net")));
  EXPECT_THAT(report.unused, testing::ElementsAre("module._fc.weight"));
  EXPECT_THAT(report.missing, testing::Contains("decoder.classifier.weight"));
  const Model made = Model::open(folder / "net.safetensors", {.device = "cpu"});
  EXPECT_TRUE(at::equal(made.placed()->net().named_parameters()["encoder._blocks.3._project_conv.weight"],
                        donor.placed()->net().named_parameters()["encoder._blocks.3._project_conv.weight"]));
  EXPECT_EQ(made.spec().net.name, "efficientnet_lite0");
}

TEST(ImportTest, TheNetThatIsAskedForIsTakenFromACheckpointOfSeveral) {
  const test::TempFolder folder;
  const ModelSpec spec = small("deeplabv3plus_r18");
  const Model student(spec, {.device = "cpu"}, 1), teacher(spec, {.device = "cpu"}, 2);
  TensorFile checkpoint;
  for (const auto& [part, model] :
       {std::pair{"model_state.module.", &student}, {"teacher_state.module.", &teacher}})
    for (const auto& item : model->placed()->net().named_parameters())
      checkpoint.tensors[part + item.key()] = item.value().detach();
  write_safetensors(folder / "c.safetensors", checkpoint);
  const auto digest_of = [&](const std::string& part) {
    const auto report = import_weights({folder / "c.safetensors", spec, 3, part}, folder / "n.safetensors");
    EXPECT_TRUE(report.other_shape.empty());
    return Model::open(folder / "n.safetensors", {.device = "cpu"}).feature_space();
  };
  EXPECT_EQ(digest_of(""), student.feature_space());
  EXPECT_EQ(digest_of("teacher_state"), teacher.feature_space());
  EXPECT_THROW(digest_of("ema"), Error);
}

TEST(ImportTest, AFileOfAnotherNetIsRefusedWithNamesOfBoth) {
  const test::TempFolder folder;
  try {
    import_weights({case_file("zip.pth"), small("deeplabv3plus_r18"), 1, ""}, folder / "n.safetensors");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("zip.pth"), HasSubstr("encoder.")));
  }
  EXPECT_FALSE(fs::exists(folder / "n.safetensors"));
}

}  // namespace
}  // namespace driftloop::adapt
