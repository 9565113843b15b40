#include "adapt/files/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <vector>

#include "config/check.h"
#include "config/digest.h"
#include "config/durable_file.h"

namespace driftloop::adapt {
namespace fs = std::filesystem;
namespace {

// In the metadata as well as in the seal: there the digest covers it.
constexpr const char* kRevision = "revision";

std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::string digest_of_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  config::Sha256 sum;
  std::string block(1 << 20, '\0');
  while (in) {
    in.read(block.data(), static_cast<std::streamsize>(block.size()));
    sum.update({block.data(), static_cast<std::size_t>(in.gcount())});
  }
  return in.bad() ? "" : sum.finish();
}

}  // namespace

Slots::Slots(fs::path folder, std::string name) : folder_(std::move(folder)), name_(std::move(name)) {}

fs::path Slots::file(int slot, const char* extension) const {
  return folder_ / (name_ + (slot == 0 ? "_a" : "_b") + extension);
}

std::optional<Slots::Seal> Slots::seal(int slot) const {
  try {
    if (!fs::exists(file(slot, ".seal"))) return std::nullopt;
    const std::string text = config::read_file(file(slot, ".seal"));
    const auto space = text.find(' ');
    const auto revision = number_of(std::string_view(text).substr(0, space));
    if (space == std::string::npos || !revision || *revision == 0) return std::nullopt;
    return Seal{*revision, text.substr(space + 1)};
  } catch (const Error&) {
    return std::nullopt;  // an unreadable slot is none; the other one counts
  } catch (const fs::filesystem_error&) {
    return std::nullopt;
  }
}

std::vector<int> Slots::by_age() const {
  std::vector<std::pair<std::uint64_t, int>> found;
  for (const int slot : {0, 1})
    if (const auto sealed = seal(slot)) found.emplace_back(sealed->revision, slot);
  std::sort(found.rbegin(), found.rend());
  std::vector<int> slots;
  for (const auto& [revision, slot] : found) slots.push_back(slot);
  return slots;
}

std::uint64_t Slots::newest_revision() const {
  std::uint64_t newest = 0;
  for (const int slot : {0, 1})
    if (const auto sealed = seal(slot)) newest = std::max(newest, sealed->revision);
  return newest;
}

/// What verifies in this slot.
std::optional<Slots::Stored> Slots::read(int slot) const {
  const auto sealed = seal(slot);
  if (!sealed) return std::nullopt;
  try {
    auto [content, digest] = read_safetensors_with_digest(file(slot, ".safetensors"));
    if (digest != sealed->digest) return std::nullopt;
    const auto stated = content.metadata.find(kRevision);  // states before this key have the seal alone
    const std::uint64_t revision = stated == content.metadata.end()
                                       ? sealed->revision
                                       : number_of(stated->second).value_or(sealed->revision);
    return Stored{std::move(content), revision};
  } catch (const Error&) {
    return std::nullopt;  // missing or damaged
  }
}

std::optional<Slots::Stored> Slots::load() {
  newest_.reset();
  int found = kNone;
  std::optional<Stored> best;
  for (const int slot : by_age()) {
    auto stored = read(slot);
    if (!stored || (best && best->revision >= stored->revision)) continue;
    const auto sealed = seal(slot);
    found = slot;
    best = std::move(stored);
    if (sealed && best->revision == sealed->revision)
      break;  // else its number is damaged: is the other newer?
  }
  newest_ = found;
  return best;
}

std::optional<Slots::Stored> Slots::load(std::uint64_t revision) {
  for (const int slot : by_age()) {
    const auto sealed = seal(slot);
    if (!sealed || sealed->revision != revision) continue;
    auto stored = read(slot);
    if (!stored || stored->revision != revision) continue;
    newest_ = slot;
    return stored;
  }
  return load();
}

/// Without load() the newest slot is read once, for its digest: a damaged one must not make save() overwrite
/// the good one.
int Slots::newest() {
  if (newest_) return *newest_;
  newest_ = kNone;
  for (const int slot : by_age()) {
    const auto sealed = seal(slot);
    if (!sealed || digest_of_file(file(slot, ".safetensors")) != sealed->digest) continue;
    newest_ = slot;
    break;
  }
  return *newest_;
}

bool Slots::holds_content() {
  return newest() != kNone;
}

void Slots::save(TensorFile content, std::uint64_t revision) {
  DL_CHECK(revision > newest_revision(), revision, newest_revision());
  config::make_folder(folder_);
  const int slot = newest() == 0 ? 1 : 0;
  content.metadata[kRevision] = std::to_string(revision);
  const std::string digest = write_safetensors(file(slot, ".safetensors"), content);
  config::write_durably(file(slot, ".seal"), std::to_string(revision) + ' ' + digest);
  newest_ = slot;
}

}  // namespace driftloop::adapt
