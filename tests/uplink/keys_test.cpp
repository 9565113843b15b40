#include "uplink/keys.h"

#include <gtest/gtest.h>

#include <functional>

#include "config/check.h"
#include "config/durable_file.h"
#include "tests/support/temp_folder.h"

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

}  // namespace
}  // namespace driftloop::uplink
