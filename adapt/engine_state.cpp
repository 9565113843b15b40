// What of an engine is durable: its whole state, the memory of what was asked and answered, and weights
// alone.
#include <nlohmann/json.hpp>

#include "adapt/engine_impl.h"
#include "adapt/model/weights.h"
#include "adapt/out_of_memory.h"
#include "config/check.h"
#include "config/layers.h"

namespace driftloop::adapt {
namespace {

constexpr const char* kLiveRevision = "live_revision";  // metadata of a state

/// Metadata of a weights file: enough to rebuild the net without a configuration.
std::string model_text(const EngineOptions& options) {
  return config::to_yaml(options.model);
}

}  // namespace

StateStore& Engine::Impl::store(const std::filesystem::path& folder) {
  if (!open_store || open_store->folder != folder) open_store.emplace(folder);
  return *open_store;
}

void Engine::Impl::put_identity(TensorFile& file) const {
  file.metadata["model"] = model_text(options);
  file.metadata["label_space"] = options.label_space;
  file.metadata["seed"] = std::to_string(seed);
  file.metadata["note"] = note;
  file.metadata["since_best"] = nlohmann::json(since_best).dump();
  file.metadata["looked_at"] = nlohmann::json(looked_at).dump();
}

void Engine::Impl::take_notes(const TensorFile& file) {
  note = file.metadata.at("note");
  const auto lost = file.metadata.find("since_best");
  since_best = lost == file.metadata.end() ? 0 : nlohmann::json::parse(lost->second).get<double>();
  looked_at.clear();
  if (const auto looked = file.metadata.find("looked_at"); looked != file.metadata.end())
    looked_at = nlohmann::json::parse(looked->second).get<std::set<std::string>>();
}

void Engine::Impl::require_identity(const TensorFile& file, const std::filesystem::path& folder) const {
  const auto require = [&](const char* key, const std::string& wanted) {
    if (file.metadata.at(key) != wanted)
      throw Error("the state in " + folder.string() + " was made with another " + key + " (" +
                  file.metadata.at(key) + "), this run has " + wanted +
                  "; give another state folder or the old settings");
  };
  require("model", model_text(options));
  require("label_space", options.label_space);
  require("seed", std::to_string(seed));
}

void Engine::Impl::set_live(const std::function<void(SegmentationNet&)>& change) {
  if (open_store) open_store->live_revision = 0;
  live.placed()->touched();
  change(live.placed()->net());
}

/// In the state itself when it is the teacher (or the state is of an earlier form), else in the file that the
/// state names. Should that be damaged, the live model before it is the next best that is known to be good,
/// and then the spare one.
bool Engine::Impl::load_live(const TensorFile& state, StateStore& from, const std::filesystem::path& spare) {
  from.live_revision = 0;
  live.placed()->touched();
  SegmentationNet& net = live.placed()->net();
  const auto named = state.metadata.find(kLiveRevision);
  if (named == state.metadata.end()) {
    get_net(state, stored_prefix("live.", state), from.folder, net);
    return false;
  }
  if (const auto stored = from.live.load(std::stoull(named->second))) {
    get_net(stored->content, "live.", from.folder, net);
    if (std::to_string(stored->revision) == named->second) from.live_revision = stored->revision;
    return false;
  }
  if (spare.empty())
    throw Error("the live model in " + from.folder.string() +
                " cannot be read; give its weights to a new state folder, or restore the files live_*");
  get_net(read_safetensors(spare), "", spare, net);
  return true;
}

void Engine::save(const std::filesystem::path& folder) const {
  Impl& s = *impl_;
  needing_memory("save the state", s.device, [&] {
    auto& store = s.store(folder);
    TensorFile file, live;
    s.trainer.save(file);
    put_net(s.live.placed()->net(), "live.", file);
    drop_copies("live.", "teacher.", file);
    for (auto it = file.tensors.lower_bound("live.");
         it != file.tensors.end() && it->first.starts_with("live.");)
      live.tensors.insert(file.tensors.extract(it++));
    if (!live.tensors.empty()) {
      if (store.live_revision == 0) {
        const std::uint64_t revision = store.next_revision();
        store.live.save(std::move(live), revision);
        store.live_revision = revision;
      }
      file.metadata[kLiveRevision] = std::to_string(store.live_revision);
    }
    s.labels.save(file);
    s.put_identity(file);
    store.state.save(std::move(file), store.next_revision());
  });
}

void Engine::save_memory(const std::filesystem::path& folder) const {
  Impl& s = *impl_;
  if (!s.store(folder).state.holds_content()) return save(folder);
  needing_memory("save the memory of what was asked", s.device, [&] {
    TensorFile file;
    s.labels.save(file);
    s.put_identity(file);
    auto& store = s.store(folder);
    store.memory.save(std::move(file), store.next_revision());
  });
}

Loaded Engine::load(const std::filesystem::path& folder, const std::filesystem::path& spare_live) {
  Impl& s = *impl_;
  return needing_memory("load the state", s.device, [&] {
    auto& store = s.store(folder);
    const auto state = store.state.load();
    Loaded loaded{.found = state.has_value()};
    if (!state) return loaded;
    s.require_identity(state->content, folder);
    const auto memory = store.memory.load();
    const bool newer = memory && memory->revision > state->revision;
    if (newer) s.require_identity(memory->content, folder);
    const auto& told = newer ? memory->content : state->content;
    s.trainer.load(state->content, folder);
    loaded.spare_live = s.load_live(state->content, store, spare_live);
    s.labels.load(told);
    s.take_notes(told);
    return loaded;
  });
}

bool Engine::load_memory(const std::filesystem::path& folder) {
  Impl& s = *impl_;
  return needing_memory("load the memory of what was asked", s.device, [&] {
    const auto memory = s.store(folder).memory.load();
    if (!memory) return false;
    s.require_identity(memory->content, folder);
    s.labels.load(memory->content);
    s.take_notes(memory->content);
    return true;
  });
}

std::optional<std::vector<Region>> asked_in(const std::filesystem::path& folder) {
  return needing_memory("read the state", torch::kCPU, [&]() -> std::optional<std::vector<Region>> {
    StateStore store(folder);
    auto told = store.state.load();
    auto memory = store.memory.load();
    if (memory && (!told || memory->revision > told->revision)) told = std::move(memory);
    if (!told) return std::nullopt;
    TargetLabels labels;
    labels.load(told->content);
    std::vector<Region> regions;
    for (const auto& [id, asked] : labels.asked()) regions.push_back(asked.region);
    return regions;
  });
}

std::int64_t Engine::state_bytes() const {
  const Impl& s = *impl_;
  return s.trainer.state_bytes() + stored_bytes(s.live.placed()->net().parameters()) +
         stored_bytes(s.live.placed()->net().buffers()) + memory_bytes();
}

std::int64_t Engine::memory_bytes() const {
  return impl_->labels.stored_bytes() + static_cast<std::int64_t>(impl_->note.size());
}

void Engine::set_note(std::string note) {
  impl_->note = std::move(note);
}
const std::string& Engine::note() const {
  return impl_->note;
}

void Engine::load_weights(const std::filesystem::path& file, EmaStart start) {
  needing_memory("load " + file.string(), impl_->device, [&] {
    const TensorFile content = read_safetensors(file);
    impl_->set_live([&](SegmentationNet& live) { get_net(content, "", file, live); });
    impl_->trainer.restart_from(impl_->live.placed()->net(), start);
    impl_->fit_norm(*impl_->live.placed(), impl_->options.norm_frames);
  });
}

}  // namespace driftloop::adapt
