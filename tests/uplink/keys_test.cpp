#include "uplink/keys.h"

#include <gtest/gtest.h>

#include <functional>

#include "config/check.h"
#include "config/durable_file.h"
#include "tests/support/temp_folder.h"
#include "uplink/zmq_zap.h"

namespace driftloop::uplink {
namespace {
namespace fs = std::filesystem;

std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(KeysTest, AreSavedForTheOwnerOnlyAndReadBack) {
  driftloop::test::TempFolder folder;
  const KeyPair keys = generate_keys();
  const fs::path file = save_keys(keys, folder / "keys", "van-1");
  EXPECT_EQ(fs::status(file).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_EQ(load_keys(file).public_z85, keys.public_z85);
  EXPECT_EQ(load_keys(file).secret_z85, keys.secret_z85);
  EXPECT_EQ(load_public_key((folder / "keys" / "van-1.pub").string()), keys.public_z85);
  EXPECT_EQ(load_public_key(keys.public_z85), keys.public_z85);
}

TEST(KeysTest, EachMistakeIsNamed) {
  driftloop::test::TempFolder folder;
  const fs::path file = save_keys(generate_keys(), folder.path(), "a");
  EXPECT_NE(error_of([&] { save_keys(generate_keys(), folder.path(), "a"); }).find("a key already"),
            std::string::npos);
  EXPECT_NE(error_of([&] { load_keys(folder / "none.key"); }).find("keygen"), std::string::npos);
  EXPECT_NE(error_of([&] { load_public_key(file.string()); }).find("secret key"), std::string::npos);
  EXPECT_NE(error_of([&] { load_public_key("nonsense"); }).find("neither"), std::string::npos);
  fs::permissions(file, fs::perms::others_read, fs::perm_options::add);
  EXPECT_NE(error_of([&] { load_keys(file); }).find("chmod 600"), std::string::npos);
  config::write_durably(folder / "b.key", "not a key\n", 0600);
  EXPECT_NE(error_of([&] { load_keys(folder / "b.key"); }).find("not a key file"), std::string::npos);
  config::write_durably(folder / "c.key", "# nothing\n", 0600);
  EXPECT_NE(error_of([&] { load_keys(folder / "c.key"); }).find("holds no key"), std::string::npos);
}

/// Paths of 40 characters, all of which occur in Z85 keys: one was taken for a key, and its vehicle was
/// turned away for ever.
TEST(KeysTest, APathAsLongAsAKeyIsAPath) {
  driftloop::test::TempFolder folder;
  const std::string ending = "/van.pub";
  const std::string parent = folder.path().string();
  ASSERT_LT(parent.size() + 1 + ending.size(), kKeyChars);
  const fs::path allow = parent + "/" + std::string(kKeyChars - parent.size() - 1 - ending.size(), 'a');
  const KeyPair keys = generate_keys();
  save_keys(keys, allow, "van");
  const std::string file = allow.string() + ending;
  ASSERT_EQ(file.size(), kKeyChars);
  EXPECT_EQ(load_public_key(file), keys.public_z85);
  fs::remove(file);
  EXPECT_NE(error_of([&] { load_public_key(file); }).find("neither"), std::string::npos);
  AllowList allowed(allow);
  EXPECT_FALSE(allowed.vehicle_of(keys.public_z85));
  config::write_durably(file, keys.public_z85 + "\n");
  EXPECT_TRUE(allowed.refresh(std::chrono::steady_clock::now()));
  ASSERT_TRUE(allowed.vehicle_of(keys.public_z85));
  EXPECT_EQ(*allowed.vehicle_of(keys.public_z85), "van");
}

TEST(KeysTest, WhatIsWrongInAnAllowListIsSaidAtOnceAndNotAgain) {
  driftloop::test::TempFolder folder;
  config::write_durably(folder / "van.pub", "not a key\n");
  AllowList allowed(folder.path());
  const auto now = std::chrono::steady_clock::now();
  EXPECT_TRUE(allowed.refresh(now));
  ASSERT_EQ(allowed.problems().size(), 1u);
  EXPECT_NE(allowed.problems()[0].find("van.pub"), std::string::npos);
  EXPECT_FALSE(allowed.refresh(now + std::chrono::seconds(2)));
  config::write_durably(folder / "van.pub", generate_keys().public_z85 + "\n");
  EXPECT_TRUE(allowed.refresh(now + std::chrono::seconds(4)));
  EXPECT_TRUE(allowed.problems().empty());
}

}  // namespace
}  // namespace driftloop::uplink
