// How every state file of driftloop is written: temporary file, fsync, rename, fsync of the folder.
#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace driftloop::config {

/// Replaces `path` so that after a power cut it holds either the old or the new content, whole.
/// `mode` are the permission bits of the new file. Throws Error (disk full, no permission), leaving the old
/// file untouched.
void write_durably(const std::filesystem::path& path, std::string_view content, unsigned mode = 0644);

/// The same for content produced by a writer that needs a path of its own (a library that saves to a file
/// name).
void write_durably_with(const std::filesystem::path& path,
                        const std::function<void(const std::filesystem::path& temporary)>& writer);

/// Makes what was renamed or made in the folder durable. Throws Error.
void sync_folder(const std::filesystem::path& folder);

/// The whole file. Throws Error when it cannot be opened or read.
std::string read_file(const std::filesystem::path& path);

/// Creates the folder and its parents. Throws Error naming the folder when it cannot.
void make_folder(const std::filesystem::path& path);

}  // namespace driftloop::config
