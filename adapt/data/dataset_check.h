// What is wrong with a data set on disk, all of it at once, before hours are spent on it.
#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "config/label_space.h"

namespace driftloop::adapt {

struct SplitCheck {
  std::string split;
  std::size_t images = 0;
  std::map<std::string, std::size_t> groups;          // images of each
  std::map<std::string, std::size_t> sizes;           // "2048x1024": images of that size
  std::array<std::int64_t, config::kClasses> pixels;  // of each trainId
  std::int64_t ignored = 0;                           // pixels
  std::vector<std::string> problems;                  // one line each: which file, what is wrong, what to do
};

struct DatasetCheckOptions {
  bool decode_images = false;  // otherwise their heads are read
  int threads = 1;
  std::function<void(std::size_t done, std::size_t total)> progress;
};

/// Kinds that would find images in `root`.
std::vector<std::string> kinds_in(const std::filesystem::path& root);

/// Each split that is there, or `split`. Throws Error when there is none, or the text is none of files.
std::vector<SplitCheck> check_dataset(const std::string& spec, const std::string& split,
                                      const DatasetCheckOptions& options);

}  // namespace driftloop::adapt
