// Golden cases: inputs and expected outputs made by the published reference implementations
// (cases/README.md).
#pragma once
#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "adapt/files/safetensors.h"

namespace driftloop::test {

/// DRIFTLOOP_GOLDEN_DIR, or the repository's own cases.
std::filesystem::path golden_dir();

/// Every case file of a family, sorted. A family that has no folder, or an empty one, is an empty list.
std::vector<std::filesystem::path> golden_files(const std::string& family);

class GoldenCase {
 public:
  explicit GoldenCase(const std::filesystem::path& path);
  const at::Tensor& in(const std::string& name) const { return file_.at("in." + name, path_); }
  const at::Tensor& out(const std::string& name) const { return file_.at("out." + name, path_); }
  const std::string& text(const std::string& key) const;
  bool has(const std::string& key) const { return file_.metadata.contains(key); }
  double number(const std::string& key) const { return std::stod(text(key)); }

 private:
  std::filesystem::path path_;
  adapt::TensorFile file_;
};

/// Runs `check(const GoldenCase&)` on every case of the family, each under its file's name; skips when there
/// is none.
template <class Check>
void for_each_case(const std::string& family, Check check) {
  const auto files = golden_files(family);
  if (files.empty()) GTEST_SKIP() << "no case of " << family << " under " << golden_dir();
  for (const auto& file : files) {
    SCOPED_TRACE(file.string());
    check(GoldenCase(file));
  }
}

/// Elementwise |got - want| <= relative x |want| + 1e-6; shapes must agree.
void expect_close(const at::Tensor& got, const at::Tensor& want, double relative = 1e-4);
/// Equal as integers.
void expect_same(const at::Tensor& got, const at::Tensor& want);

}  // namespace driftloop::test
