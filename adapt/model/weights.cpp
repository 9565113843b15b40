#include "adapt/model/weights.h"

#include <cstring>
#include <sstream>

#include "config/check.h"
#include "config/digest.h"

namespace driftloop::adapt {
namespace {

template <class Map, class Use>
void for_each_named(const Map& items, const Use& use) {
  for (const auto& item : items) use(item.key(), item.value());
}

}  // namespace

void copy_weights(const SegmentationNet& source, SegmentationNet& target) {
  torch::NoGradGuard no_grad;
  const auto copy = [](const auto& from, const auto& to) {
    DL_CHECK(from.size() == to.size(), from.size(), to.size());
    for (const auto& item : from) to[item.key()].copy_(item.value());
  };
  copy(source.named_parameters(), target.named_parameters());
  copy(source.named_buffers(), target.named_buffers());
}

std::string weights_digest(const SegmentationNet& net) {
  std::string text;
  const auto add = [&](const auto& tensors) {
    for (const auto& item : tensors) {
      const auto value = item.value().detach().cpu().contiguous();
      text += item.key() + ' ' +
              config::sha256_hex({static_cast<const char*>(value.const_data_ptr()), value.nbytes()}) + '\n';
    }
  };
  add(net.named_parameters());
  add(net.named_buffers());
  return config::sha256_hex(text);
}

void copy_buffers(const SegmentationNet& source, SegmentationNet& target) {
  torch::NoGradGuard no_grad;
  const auto from = source.named_buffers();
  for (auto& item : target.named_buffers()) item.value().copy_(from[item.key()]);
}

void put_net(const SegmentationNet& net, const std::string& prefix, TensorFile& file) {
  const auto put = [&](const std::string& name, const torch::Tensor& value) {
    file.tensors[prefix + name] = value.detach().cpu().contiguous();
  };
  for_each_named(net.named_parameters(), put);
  for_each_named(net.named_buffers(), put);
}

void get_net(const TensorFile& file, const std::string& prefix, const std::filesystem::path& path,
             SegmentationNet& net) {
  torch::NoGradGuard no_grad;
  const auto get = [&](const std::string& name, torch::Tensor value) {
    const auto& stored = file.at(prefix + name, path);
    if (stored.sizes() != value.sizes()) {
      std::ostringstream text;
      text << path.string() << " is of another model: '" << name << "' is " << stored.sizes() << " there and "
           << value.sizes() << " in the configured one; check model.name and model.width";
      throw Error(text.str());
    }
    value.copy_(stored);
  };
  for_each_named(net.named_parameters(), get);
  for_each_named(net.named_buffers(), get);
}

void drop_copies(const std::string& prefix, const std::string& as, TensorFile& file) {
  const auto begin = file.tensors.lower_bound(prefix);
  auto end = begin;
  for (; end != file.tensors.end() && end->first.starts_with(prefix); ++end) {
    const auto other = file.tensors.find(as + end->first.substr(prefix.size()));
    const auto& mine = end->second;
    if (other == file.tensors.end() || other->second.nbytes() != mine.nbytes() ||
        std::memcmp(other->second.const_data_ptr(), mine.const_data_ptr(), mine.nbytes()) != 0)
      return;
  }
  file.tensors.erase(begin, end);
  file.metadata[prefix] = as;
}

std::string stored_prefix(const std::string& prefix, const TensorFile& file) {
  const auto found = file.metadata.find(prefix);
  return found == file.metadata.end() ? prefix : found->second;
}

std::int64_t stored_bytes(const std::vector<torch::Tensor>& tensors) {
  constexpr std::int64_t kEntry = 200;  // in the header: name, shape, place
  std::int64_t bytes = 0;
  for (const auto& tensor : tensors) bytes += static_cast<std::int64_t>(tensor.nbytes()) + kEntry;
  return bytes;
}

}  // namespace driftloop::adapt
