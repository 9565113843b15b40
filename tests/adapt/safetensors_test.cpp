#include "adapt/files/safetensors.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "config/check.h"
#include "config/durable_file.h"
#include "tests/support/temp_folder.h"

namespace driftloop::adapt {
namespace {

using testing::HasSubstr;

std::string file_of(const std::string& header, const std::string& data) {
  const std::uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + data;
}

/// What reading these bytes is refused with; "" when they are taken.
std::string refusal(const std::string& bytes) {
  const test::TempFolder folder;
  const auto path = folder / "x.safetensors";
  config::write_durably(path, bytes);
  try {
    read_safetensors(path);
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr(path.string()));
    return e.what();
  }
  return "";
}

TEST(Safetensors, EveryDtypeComesBack) {
  const test::TempFolder folder;
  TensorFile content;
  for (const auto type : {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16, at::kLong, at::kInt, at::kShort,
                          at::kChar, at::kByte, at::kBool})
    content.tensors[c10::toString(type)] = at::randint(0, 2, {3, 5}, at::kLong).to(type);
  content.tensors["scalar"] = at::scalar_tensor(1.5);
  content.tensors["empty"] = at::empty({0, 4});
  content.tensors["strided"] = at::randn({4, 6}).t();
  content.metadata = {{"keys", "a\n\"b\""}, {"step", "12"}};
  write_safetensors(folder / "x", content);
  const auto back = read_safetensors(folder / "x");
  EXPECT_EQ(back.metadata, content.metadata);
  ASSERT_EQ(back.tensors.size(), content.tensors.size());
  for (const auto& [name, tensor] : content.tensors) {
    SCOPED_TRACE(name);
    EXPECT_EQ(back.at(name, "x").scalar_type(), tensor.scalar_type());
    EXPECT_TRUE(back.at(name, "x").equal(tensor));
  }
  EXPECT_THROW(back.at("missing", "x"), Error);
}

TEST(Safetensors, TheSameContentGivesTheSameBytes) {
  const test::TempFolder folder;
  TensorFile content;
  content.tensors = {{"b", at::ones({3}, at::kByte)}, {"a", at::ones({2}, at::kLong)}, {"c", at::ones({1})}};
  write_safetensors(folder / "one", content);
  write_safetensors(folder / "two", content);
  const auto bytes = config::read_file(folder / "one");
  EXPECT_EQ(bytes, config::read_file(folder / "two"));
  EXPECT_LT(bytes.find("\"a\""), bytes.find("\"c\""));  // 8-byte elements first, so that all are aligned
  EXPECT_LT(bytes.find("\"c\""), bytes.find("\"b\""));
}

TEST(Safetensors, TakesAPlainFile) {
  EXPECT_EQ(refusal(file_of(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", "ab")), "");
}

TEST(Safetensors, RefusesADamagedFile) {
  EXPECT_THAT(refusal("short"), HasSubstr("shorter than 8 bytes"));
  EXPECT_THAT(refusal(std::string(8, '\xff')), HasSubstr("header claims"));
  EXPECT_THAT(refusal(file_of("{\"a\"", "")), HasSubstr("not JSON"));
  EXPECT_THAT(refusal(file_of("[]", "")), HasSubstr("not a JSON object"));
  EXPECT_THAT(refusal(file_of(R"({"a":3})", "")), HasSubstr("malformed"));
  EXPECT_THAT(refusal(file_of(R"({"__metadata__":{"a":1}})", "")), HasSubstr("not a string"));
  EXPECT_THAT(refusal(file_of("{}", "left over")), HasSubstr("after the last tensor"));
}

TEST(Safetensors, RefusesALyingHeader) {
  const auto with = [](const std::string& entry) {
    return refusal(file_of("{\"a\":" + entry + "}", "abcd"));
  };
  EXPECT_THAT(with(R"({"dtype":"U8","shape":[5],"data_offsets":[0,5]})"), HasSubstr("outside the file"));
  EXPECT_THAT(with(R"({"dtype":"U8","shape":[4],"data_offsets":[4,0]})"), HasSubstr("outside the file"));
  EXPECT_THAT(with(R"({"dtype":"U8","shape":[3],"data_offsets":[0,4]})"), HasSubstr("does not fit"));
  EXPECT_THAT(with(R"({"dtype":"F32","shape":[4],"data_offsets":[0,4]})"), HasSubstr("does not fit"));
  EXPECT_THAT(with(R"({"dtype":"U8","shape":[-4],"data_offsets":[0,4]})"), HasSubstr("impossible shape"));
  EXPECT_THAT(with(R"({"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,4]})"),
              HasSubstr("impossible shape"));  // the product is 0 modulo 2^64
  EXPECT_THAT(with(R"({"dtype":"Q4","shape":[4],"data_offsets":[0,4]})"), HasSubstr("Q4"));
  EXPECT_THAT(with(R"({"dtype":"U8","shape":[4],"data_offsets":[0]})"), HasSubstr("data_offsets"));
  EXPECT_THAT(with(R"({"dtype":"U8","shape":[4],"data_offsets":[-1,3]})"), HasSubstr("data_offsets"));
}

TEST(Safetensors, RefusesOverlapsHolesAndDuplicates) {
  const auto two = [](const std::string& first, const std::string& second, const std::string& names) {
    const auto entry = [](const std::string& range) {
      return R"({"dtype":"U8","shape":[2],"data_offsets":)" + range + "}";
    };
    return refusal(file_of("{\"" + names.substr(0, 1) + "\":" + entry(first) + ",\"" + names.substr(1) +
                               "\":" + entry(second) + "}",
                           "abcd"));
  };
  EXPECT_EQ(two("[0,2]", "[2,4]", "ab"), "");
  EXPECT_EQ(two("[2,4]", "[0,2]", "ab"), "");
  EXPECT_THAT(two("[0,2]", "[1,3]", "ab"), HasSubstr("overlap"));
  EXPECT_THAT(two("[0,2]", "[0,2]", "ab"), HasSubstr("overlap"));
  EXPECT_THAT(two("[1,3]", "[3,5]", "ab"), HasSubstr("outside"));
  EXPECT_THAT(two("[0,2]", "[2,4]", "aa"), HasSubstr("listed twice"));
}

TEST(Safetensors, MissingFileIsNamed) {
  try {
    read_safetensors("/nowhere/weights.safetensors");
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("/nowhere/weights.safetensors"));
  }
}

}  // namespace
}  // namespace driftloop::adapt
