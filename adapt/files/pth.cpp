#include "adapt/files/pth.h"

#include <ATen/ATen.h>
#include <caffe2/serialize/inline_container.h>

#include <array>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "adapt/files/pickle.h"
#include "adapt/out_of_memory.h"
#include "config/check.h"
#include "config/durable_file.h"

namespace driftloop::adapt {
namespace {

using Kind = PickleValue::Kind;
constexpr int kDeepest = 32;  // containers in containers
constexpr std::string_view kZipMagic = "PK\x03\x04";
// The first pickle of a legacy file: protocol 2, the number 0x1950a86a20f9469cfc6c.
constexpr std::string_view kLegacyMagic("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 14);

struct StorageType {
  const char* name;
  at::ScalarType type;
};
constexpr std::array<StorageType, 10> kStorageTypes{{{"torch FloatStorage", at::kFloat},
                                                     {"torch HalfStorage", at::kHalf},
                                                     {"torch DoubleStorage", at::kDouble},
                                                     {"torch BFloat16Storage", at::kBFloat16},
                                                     {"torch LongStorage", at::kLong},
                                                     {"torch IntStorage", at::kInt},
                                                     {"torch ShortStorage", at::kShort},
                                                     {"torch CharStorage", at::kChar},
                                                     {"torch ByteStorage", at::kByte},
                                                     {"torch BoolStorage", at::kBool}}};

at::ScalarType element_type(const PickleValue& storage) {
  for (const auto& known : kStorageTypes)
    if (storage.type->text == known.name) return known.type;
  throw Error("it holds elements of '" + storage.type->text + "', which are not supported");
}

/// The bytes of storages, by key.
class Storages {
 public:
  virtual ~Storages() = default;
  /// One-dimensional, of the storage's type.
  at::Tensor of(const PickleValue& storage) {
    const auto found = read_.find(storage.text);
    if (found != read_.end()) {
      if (found->second.scalar_type() != element_type(storage))
        throw Error("storage '" + storage.text + "' is told to have two types");
      return found->second;
    }
    if (storage.integer < 0) throw Error("storage '" + storage.text + "' is damaged");
    return read_[storage.text] = read(storage.text, storage.integer, element_type(storage));
  }

 private:
  virtual at::Tensor read(const std::string& key, std::int64_t elements, at::ScalarType type) = 0;
  std::map<std::string, at::Tensor> read_;
};

/// archive/data.pkl, archive/data/<key>.
class ZipStorages : public Storages {
 public:
  explicit ZipStorages(const std::filesystem::path& path) : reader_(path.string()) {}
  std::string pickle() { return text("data.pkl"); }
  bool little_endian() { return !reader_.hasRecord("byteorder") || text("byteorder") == "little"; }

 private:
  std::string text(const std::string& name) {
    const auto [data, size] = reader_.getRecord(name);
    return {static_cast<const char*>(data.get()), size};
  }
  at::Tensor read(const std::string& key, std::int64_t elements, at::ScalarType type) override {
    auto [data, size] = reader_.getRecord("data/" + key);
    const auto width = static_cast<std::int64_t>(c10::elementSize(type));
    if (static_cast<std::int64_t>(size) / width < elements)
      throw Error("storage '" + key + "' is shorter than the file says");
    auto owner = std::make_shared<at::DataPtr>(std::move(data));
    return at::from_blob(
        owner->get(), {elements}, [owner](void*) {}, at::TensorOptions(type));
  }
  caffe2::serialize::PyTorchStreamReader reader_;
};

/// After the pickles, in the order of the last of them: the number of elements, then the elements.
class LegacyStorages : public Storages {
 public:
  LegacyStorages(std::shared_ptr<std::string> file, std::string_view rest,
                 const std::vector<std::string>& order)
      : file_(std::move(file)), rest_(rest), order_(order) {}

 private:
  at::Tensor read(const std::string& key, std::int64_t elements, at::ScalarType type) override {
    place_all();
    const auto found = places_.find(key);
    if (found == places_.end()) throw Error("storage '" + key + "' is missing");
    if (found->second.second < elements) throw Error("storage '" + key + "' is shorter than the file says");
    auto owner = file_;
    return at::from_blob(
               const_cast<char*>(found->second.first), {elements}, [owner](void*) {},
               at::TensorOptions(type))
        .clone();  // the file does not align them
  }
  /// Where each begins depends on the types of those before it: they are learnt as tensors ask for them.
  void place_all() {
    if (placed_) return;
    placed_ = true;
    for (const auto& key : order_) {
      std::int64_t elements = 0;
      if (rest_.size() < sizeof elements) throw Error("it ends before its last storage");
      std::memcpy(&elements, rest_.data(), sizeof elements);
      rest_.remove_prefix(sizeof elements);
      const auto type = types_.find(key);
      if (type == types_.end()) throw Error("storage '" + key + "' belongs to no tensor");
      const auto width = static_cast<std::int64_t>(c10::elementSize(type->second));
      if (elements < 0 || elements > static_cast<std::int64_t>(rest_.size()) / width)
        throw Error("it ends before its last storage");
      places_[key] = {rest_.data(), elements};
      rest_.remove_prefix(static_cast<std::size_t>(elements * width));
    }
  }

 public:
  void know(const std::string& key, at::ScalarType type) { types_.emplace(key, type); }

 private:
  std::shared_ptr<std::string> file_;
  std::string_view rest_;
  std::vector<std::string> order_;
  std::map<std::string, at::ScalarType> types_;
  std::map<std::string, std::pair<const char*, std::int64_t>> places_;
  bool placed_ = false;
};

at::Tensor tensor_of(const PickleValue& value, Storages& storages) {
  const at::Tensor all = storages.of(*value.storage);
  const std::int64_t offset = value.offset + value.storage->offset;
  if (value.size.size() != value.stride.size() || offset < 0) throw Error("a tensor is not described");
  std::int64_t last = offset, elements = 1;  // the farthest element that it reaches
  for (std::size_t d = 0; d < value.size.size(); ++d) {
    std::int64_t reach = 0;
    if (value.size[d] < 0 || value.stride[d] < 0 ||
        __builtin_mul_overflow(elements, value.size[d], &elements) ||
        __builtin_mul_overflow(std::max<std::int64_t>(value.size[d] - 1, 0), value.stride[d], &reach) ||
        __builtin_add_overflow(last, reach, &last))
      throw Error("a tensor has an impossible shape");
  }
  if (elements > all.numel() || (elements > 0 && last >= all.numel()))
    throw Error("a tensor is larger than its storage");
  if (elements == 0) return at::empty(value.size, all.options());
  return all.as_strided(value.size, value.stride, offset);
}

/// Calls `use` with the name and the value of everything that is no container.
template <class Use>
void walk(const PickleValue& value, const std::string& name, int depth, std::size_t& steps, const Use& use) {
  constexpr std::size_t kMostSteps = 2'000'000;  // a small file can refer to one container very often
  if (depth > kDeepest || ++steps > kMostSteps) throw Error("its containers are nested too deeply");
  const auto below = [&](const std::string& key) { return name.empty() ? key : name + '.' + key; };
  if (value.kind == Kind::dict) {
    for (std::size_t i = 0; i + 1 < value.items.size(); i += 2) {
      const auto& key = *value.items[i];
      walk(*value.items[i + 1], below(key.kind == Kind::text ? key.text : std::to_string(key.integer)),
           depth + 1, steps, use);
    }
  } else if (value.kind == Kind::list || value.kind == Kind::tuple) {
    for (std::size_t i = 0; i < value.items.size(); ++i)
      walk(*value.items[i], below(std::to_string(i)), depth + 1, steps, use);
  } else {
    use(name, value);
  }
}

TensorFile content_of(const PickleValue& root, Storages& storages) {
  TensorFile content;
  std::size_t steps = 0;
  walk(root, "", 0, steps, [&](const std::string& name, const PickleValue& value) {
    if (value.kind == Kind::tensor)
      content.tensors[name.empty() ? "tensor" : name] = tensor_of(value, storages);
    else if (value.kind == Kind::text)
      content.metadata[name] = value.text;
    else if (value.kind == Kind::integer || value.kind == Kind::boolean)
      content.metadata[name] = std::to_string(value.integer);
    else if (value.kind == Kind::real)
      content.metadata[name] = std::to_string(value.real);
  });
  if (content.tensors.empty()) throw Error("it holds no tensor");
  return content;
}

TensorFile read_zip(const std::filesystem::path& path) {
  ZipStorages storages(path);
  if (!storages.little_endian()) throw Error("its numbers are big-endian");
  const std::string bytes = storages.pickle();
  std::string_view rest = bytes;
  const Pickle pickle(rest);
  return content_of(pickle.root(), storages);
}

TensorFile read_legacy(std::shared_ptr<std::string> file) {
  std::string_view rest = *file;
  { const Pickle magic(rest); }
  { const Pickle protocol(rest); }
  { const Pickle system(rest); }
  const Pickle content(rest);
  const Pickle keys(rest);
  std::vector<std::string> order;
  for (const auto* key : keys.root().items)
    order.push_back(key->kind == Kind::integer ? std::to_string(key->integer) : key->text);
  LegacyStorages storages(std::move(file), rest, order);
  std::size_t steps = 0;
  walk(content.root(), "", 0, steps, [&](const std::string&, const PickleValue& value) {
    if (value.kind == Kind::tensor) storages.know(value.storage->text, element_type(*value.storage));
  });
  return content_of(content.root(), storages);
}

std::string first_bytes(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::string bytes(kLegacyMagic.size(), '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(in.gcount()));
  return bytes;
}

}  // namespace

TensorFile read_pth(const std::filesystem::path& path) try {
  const std::string begin = first_bytes(path);
  if (begin.starts_with(kZipMagic)) return read_zip(path);
  if (begin == kLegacyMagic) return read_legacy(std::make_shared<std::string>(config::read_file(path)));
  throw Error("it is neither the zip nor the legacy form of torch.save()");
} catch (const std::exception& error) {
  if (is_out_of_memory(error)) throw;
  const std::string text = error.what();
  throw Error("cannot read " + path.string() + " as a PyTorch file: " + text.substr(0, text.find('\n')));
}

TensorFile read_weights(const std::filesystem::path& path) {
  const std::string begin = first_bytes(path);
  return begin.starts_with(kZipMagic) || begin.starts_with("\x80\x02") ? read_pth(path)
                                                                       : read_safetensors(path);
}

}  // namespace driftloop::adapt
