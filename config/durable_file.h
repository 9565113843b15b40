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

/// Replaces `path` as a whole, but without fsync: for what is a display and is written again in a moment.
/// After a power cut the file may be gone or empty, never after a crash of the process alone. Throws Error,
/// leaving the old file.
void replace_file(const std::filesystem::path& path, std::string_view content, unsigned mode = 0644);

/// Removes what writers that were killed left in `folder` itself: the temporary files of the functions above,
/// whoever wrote them. For the folder's owner, when it opens the folder and before anybody writes there. How
/// many there were; a missing folder has none. What cannot be removed stays: it is only litter.
int sweep_leftovers(const std::filesystem::path& folder);

/// The whole file. Throws Error when it cannot be opened or read.
std::string read_file(const std::filesystem::path& path);

/// Creates the folder and its parents. Throws Error naming the folder when it cannot.
void make_folder(const std::filesystem::path& path);

}  // namespace driftloop::config
