#include "config/durable_file.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "config/check.h"
#include "config/digest.h"
#include "tests/support/temp_folder.h"

namespace driftloop::config {
namespace {
namespace fs = std::filesystem;

TEST(DurableFileTest, ReplacesWholeAndLeavesNoTemporary) {
  test::TempFolder folder;
  write_durably(folder / "a", "old");
  write_durably(folder / "a", std::string(100'000, 'n'), 0600);
  EXPECT_EQ(read_file(folder / "a"), std::string(100'000, 'n'));
  EXPECT_EQ(fs::status(folder / "a").permissions(), fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1);
}

TEST(DurableFileTest, AFailedWriterLeavesTheOldFile) {
  test::TempFolder folder;
  write_durably(folder / "a", "old");
  EXPECT_THROW(write_durably_with(folder / "a",
                                  [](const fs::path& temporary) {
                                    std::ofstream(temporary) << "half";
                                    throw Error("stopped");
                                  }),
               Error);
  EXPECT_EQ(read_file(folder / "a"), "old");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1);
}

TEST(DurableFileTest, AWriterOnAFullDiskIsReportedAndCleanedUp) {
  try {
    write_durably_with("/dev/shm/driftloop-never", [](const fs::path&) {
      std::ofstream full("/dev/full");
      full << "x" << std::flush;
      if (!full) throw Error("cannot write /dev/full: No space left on device");
    });
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("No space left"), std::string::npos);
  }
  EXPECT_FALSE(fs::exists("/dev/shm/driftloop-never"));
}

TEST(DurableFileTest, MissingFilesAndFoldersAreNamed) {
  try {
    read_file("/nonexistent/file");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("/nonexistent/file"), std::string::npos);
  }
  EXPECT_THROW(write_durably("/nonexistent/file", "x"), Error);
  EXPECT_THROW(make_folder("/proc/nope"), Error);
}

/// A process that is killed in the middle of writing `file`, as by a crash; returns once it is gone.
void die_while_writing(const fs::path& file) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    write_durably_with(file, [](const fs::path& temporary) {
      std::ofstream(temporary) << "half";
      ::raise(SIGKILL);
    });
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

TEST(DurableFileTest, WhatAKilledWriterLeftIsSweptAndNothingElse) {
  test::TempFolder folder;
  for (const char* other : {"a", ".hidden", "b.tmp12", ".c.tmp", ".c.tmp12x", ".tmp12"})
    std::ofstream(folder / other) << "kept";
  fs::create_directories(folder / "inner");
  const auto before = names_in(folder.path());
  die_while_writing(folder / "a");
  die_while_writing(folder / "state.safetensors");
  ASSERT_EQ(names_in(folder.path()).size(), before.size() + 2) << "the crash left nothing: the test is void";
  EXPECT_EQ(sweep_leftovers(folder.path()), 2);
  EXPECT_EQ(names_in(folder.path()), before);
  EXPECT_EQ(read_file(folder / "a"), "kept");
  EXPECT_EQ(sweep_leftovers(folder.path()), 0);
  EXPECT_EQ(sweep_leftovers(folder / "nowhere"), 0);
}

TEST(DurableFileTest, ADisplayIsReplacedWholeWithItsMode) {
  test::TempFolder folder;
  std::ofstream(folder / "a") << "old";
  replace_file(folder / "a", "new", 0640);
  EXPECT_EQ(read_file(folder / "a"), "new");
  EXPECT_EQ(fs::status(folder / "a").permissions(),
            fs::perms::owner_read | fs::perms::owner_write | fs::perms::group_read);
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"a"});
  EXPECT_THROW(replace_file("/nonexistent/file", "x"), Error);
  fs::create_directories(folder / "folder");
  EXPECT_THROW(replace_file(folder / "folder", "x"), Error);
  EXPECT_EQ(names_in(folder.path()), (std::vector<std::string>{"a", "folder"}));
}

TEST(DigestTest, KnownVector) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace driftloop::config
