#include "config/durable_file.h"

#include <gtest/gtest.h>

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

TEST(DigestTest, KnownVector) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace driftloop::config
