#include "config/folder_lock.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <optional>

#include "config/check.h"
#include "tests/support/temp_folder.h"

namespace driftloop::config {
namespace {

std::string refusal(const std::filesystem::path& folder) {
  try {
    const FolderLock second(folder, "program", "wait for it");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(FolderLockTest, OneHolderAtATime) {
  const test::TempFolder root;
  const auto folder = root / "made" / "anew";
  std::optional<FolderLock> first(std::in_place, folder, "program", "wait for it");
  EXPECT_EQ(refusal(folder), "the folder " + folder.string() + " is in use by another program: wait for it");
  first.reset();
  EXPECT_EQ(refusal(folder), "");
}

TEST(FolderLockTest, AKilledHolderLetsGo) {
  const test::TempFolder root;
  int held[2];
  ASSERT_EQ(::pipe(held), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const FolderLock lock(root.path(), "program", "wait for it");
    if (::write(held[1], "x", 1) != 1) ::_exit(1);
    ::pause();
  }
  char ready = 0;
  ASSERT_EQ(::read(held[0], &ready, 1), 1);
  EXPECT_NE(refusal(root.path()), "");
  ::kill(child, SIGKILL);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_EQ(refusal(root.path()), "");
}

TEST(FolderLockTest, AFolderThatCannotBeUsedIsNamed) {
  const test::TempFolder root;
  std::ofstream(root / "file") << "x";
  EXPECT_THAT(refusal(root / "file"), testing::HasSubstr((root / "file").string()));
}

}  // namespace
}  // namespace driftloop::config
