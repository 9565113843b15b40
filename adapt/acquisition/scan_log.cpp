#include "adapt/acquisition/scan_log.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "adapt/files/safetensors.h"
#include "config/check.h"
#include "config/digest.h"
#include "config/durable_file.h"

namespace driftloop::adapt {
namespace fs = std::filesystem;
namespace {

using nlohmann::json;

constexpr const char* kPlanFile = "plan.json";
constexpr const char* kChunkPrefix = "scans_";
constexpr const char* kChunkSuffix = ".safetensors";
constexpr std::size_t kDigestLength = 64;

/// Every file the log may have left, a half-written one included; others in the folder are not touched.
bool is_ours(const std::string& name) {
  const std::string_view bare = name.starts_with('.') ? std::string_view(name).substr(1) : name;
  return bare.starts_with(kPlanFile) ||
         (bare.starts_with(kChunkPrefix) && bare.find(kChunkSuffix) != bare.npos);
}

std::vector<fs::path> our_files(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.is_regular_file() && is_ours(entry.path().filename().string())) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

bool is_chunk(const fs::path& file) {
  const auto name = file.filename().string();
  return name.starts_with(kChunkPrefix) && name.ends_with(kChunkSuffix);
}

/// safetensors has no checksum of its own.
std::string content_digest(const std::map<std::string, at::Tensor>& tensors) {
  std::string text;
  for (const auto& [name, tensor] : tensors) {
    const std::string_view bytes(static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes());
    text += name + ' ' + config::sha256_hex(bytes) + '\n';
  }
  return config::sha256_hex(text);
}

std::string plan_text(const std::string& key, const RoundPlan& plan) {
  json frames = json::array();
  for (const auto& frame : plan.frames)
    frames.push_back({frame.id, frame.group, frame.size_px.width, frame.size_px.height});
  json guard = json::array();
  for (const auto& region : plan.guard) {
    const auto& box = region.box_px;
    guard.push_back({region.frame_id, box.x, box.y, box.width, box.height, region.score});
  }
  const auto& b = plan.budget;
  const auto limit = [](const std::optional<std::int64_t>& value) { return value ? json(*value) : json(); };
  const std::string text = json{
      {"key", key},
      {"budget", {limit(b.pixels), limit(b.pixels_per_frame), limit(b.regions)}},
      {"frames", frames},
      {"guard", guard}}.dump();
  return config::sha256_hex(text) + text;
}

/// Nothing when the text is damaged or of another round.
std::optional<RoundPlan> parse_plan(const std::string& text, const std::string& key) {
  if (text.size() < kDigestLength) return std::nullopt;
  const std::string body = text.substr(kDigestLength);
  if (config::sha256_hex(body) != text.substr(0, kDigestLength)) return std::nullopt;
  const json content = json::parse(body);
  if (content.at("key") != key) return std::nullopt;
  RoundPlan plan;
  const auto& budget = content.at("budget");
  const auto limit = [&](int i) {
    return budget[i].is_null() ? std::nullopt : std::optional(budget[i].get<std::int64_t>());
  };
  plan.budget = {.pixels = limit(0), .pixels_per_frame = limit(1), .regions = limit(2)};
  for (const auto& frame : content.at("frames"))
    plan.frames.push_back({frame[0], frame[1], cv::Size(frame[2], frame[3])});
  for (const auto& region : content.at("guard")) {
    Region read;
    read.frame_id = region[0].get<std::string>();
    read.box_px = cv::Rect(region[1], region[2], region[3], region[4]);
    read.score = region[5];
    plan.guard.push_back(std::move(read));
  }
  return plan;
}

}  // namespace

ScanLog::ScanLog(fs::path folder, const std::string& key, int save_every_frames)
    : folder_(std::move(folder)), key_(key), save_every_(static_cast<std::size_t>(save_every_frames)) {
  DL_CHECK(save_every_frames >= 1, save_every_frames);
  config::make_folder(folder_);
  read_plan();
  if (plan_)
    read_chunks();
  else
    clear();
}

void ScanLog::read_plan() {
  if (!fs::exists(folder_ / kPlanFile)) return;
  std::string text;
  try {
    text = config::read_file(folder_ / kPlanFile);
  } catch (const Error&) {  // unreadable: the round begins anew
    return;
  }
  plan_ = parse_plan(text, key_);
  plan_digest_ = text.substr(0, kDigestLength);
}

void ScanLog::read_chunks() {
  for (const auto& file : our_files(folder_)) {
    if (file.filename() == kPlanFile) continue;
    TensorFile chunk;
    try {
      if (is_chunk(file)) chunk = read_safetensors(file);
    } catch (const Error&) {  // damaged: its frames are scanned again
      chunk = {};
    }
    if (chunk.metadata["plan"] != plan_digest_ || chunk.metadata["digest"] != content_digest(chunk.tensors)) {
      fs::remove(file);
      continue;
    }
    next_chunk_ = std::stoi(file.filename().string().substr(std::string_view(kChunkPrefix).size())) + 1;
    for (auto& [name, tensor] : chunk.tensors) {  // "<frame>.<tensor>"
      const auto dot = name.find('.');
      auto& scan = scans_[std::stoull(name.substr(0, dot))];
      if (dot + 1 < name.size()) scan[name.substr(dot + 1)] = std::move(tensor);
    }
  }
  found_ = static_cast<int>(scans_.size());
}

void ScanLog::begin(const RoundPlan& plan) {
  plan_ = plan;
  const std::string text = plan_text(key_, plan);
  plan_digest_ = text.substr(0, kDigestLength);
  try {
    config::write_durably(folder_ / kPlanFile, text);
  } catch (const Error& error) {
    problem_ = error.what();
  }
}

std::optional<Scan> ScanLog::take(std::size_t frame) {
  auto node = scans_.extract(frame);
  if (node.empty()) return std::nullopt;
  return std::move(node.mapped());
}

void ScanLog::add(std::size_t frame, const Scan& scan) {
  const std::string number = std::to_string(frame) + '.';
  for (const auto& [name, tensor] : scan) {
    DL_CHECK(tensor.is_cpu() && tensor.is_contiguous(), name);
    unsaved_[number + name] = tensor;
  }
  if (scan.empty()) unsaved_[number] = at::empty({0}, at::kByte);
  if (++unsaved_frames_ >= save_every_) save();
}

void ScanLog::save() {
  if (unsaved_frames_ == 0) return;
  unsaved_frames_ = 0;
  TensorFile chunk{.tensors = std::exchange(unsaved_, {}), .metadata = {}};
  if (!problem_.empty()) return;
  chunk.metadata = {{"plan", plan_digest_}, {"digest", content_digest(chunk.tensors)}};
  std::string number = std::to_string(next_chunk_++);
  number.insert(0, std::max<std::size_t>(6, number.size()) - number.size(), '0');
  try {
    write_safetensors(folder_ / (kChunkPrefix + number + kChunkSuffix), chunk);
  } catch (const Error& error) {
    problem_ = error.what();
  }
}

void ScanLog::clear() {
  // The plan first: without it the chunks mean nothing, whenever the power goes.
  auto files = our_files(folder_);
  std::stable_partition(files.begin(), files.end(),
                        [](const fs::path& file) { return file.filename() == kPlanFile; });
  for (const auto& file : files) {
    std::error_code error;
    fs::remove(file, error);
    if (error) problem_ = "cannot delete " + file.string() + ": " + error.message();
  }
  plan_.reset();
  scans_.clear();
  unsaved_.clear();
  unsaved_frames_ = 0;
  next_chunk_ = 0;
}

}  // namespace driftloop::adapt
