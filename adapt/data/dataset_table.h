// The kinds of data sets that are files on disk.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "adapt/data/layout.h"

namespace driftloop::adapt {

struct FileKind {
  std::string_view name;
  const Layout* layout;
};

std::vector<FileKind> file_kinds();

struct FileSpec {
  FileKind kind;
  std::string argument, root;  // what stands behind "kind:", without its options
};

/// Throws Error as open_dataset() does, and when the kind is none of files.
FileSpec file_spec(const std::string& spec);

}  // namespace driftloop::adapt
