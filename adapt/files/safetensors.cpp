#include "adapt/files/safetensors.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <vector>

#include "config/check.h"
#include "config/digest.h"
#include "config/durable_file.h"

namespace driftloop::adapt {
namespace {

using nlohmann::json;

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // the limit of the reference implementation
constexpr std::size_t kMaxDims = 16;
constexpr const char* kMetadataKey = "__metadata__";

struct DtypeName {
  const char* name;
  at::ScalarType type;
};
constexpr std::array<DtypeName, 10> kDtypes{{{"F64", at::kDouble},
                                             {"F32", at::kFloat},
                                             {"F16", at::kHalf},
                                             {"BF16", at::kBFloat16},
                                             {"I64", at::kLong},
                                             {"I32", at::kInt},
                                             {"I16", at::kShort},
                                             {"I8", at::kChar},
                                             {"U8", at::kByte},
                                             {"BOOL", at::kBool}}};

struct Entry {
  std::string name;
  at::ScalarType type;
  std::vector<std::int64_t> shape;
  std::uint64_t begin;
  std::uint64_t end;
};

class Refusal {
 public:
  explicit Refusal(const std::filesystem::path& path) : path_(path) {}
  [[noreturn]] void operator()(const std::string& why) const {
    throw Error("cannot read " + path_.string() + " as safetensors: " + why +
                "; the file is damaged or of another format");
  }

 private:
  const std::filesystem::path& path_;
};

json parse_header(const std::string& text, const Refusal& refuse) {
  std::set<std::string> seen;
  std::string duplicate;
  const auto watch_keys = [&](int depth, json::parse_event_t event, json& value) {
    if (event == json::parse_event_t::key && depth == 1) {
      const auto key = value.get<std::string>();
      if (!seen.insert(key).second) duplicate = key;
    }
    return true;
  };
  json header;
  try {
    header = json::parse(text, watch_keys);
  } catch (const json::exception& e) {
    refuse(std::string("its header is not JSON (") + e.what() + ")");
  }
  if (!duplicate.empty()) refuse("tensor '" + duplicate + "' is listed twice");
  if (!header.is_object()) refuse("its header is not a JSON object");
  return header;
}

std::uint64_t shape_bytes(const Entry& entry, const Refusal& refuse) {
  std::uint64_t bytes = c10::elementSize(entry.type);
  for (const auto n : entry.shape)
    if (n < 0 || __builtin_mul_overflow(bytes, static_cast<std::uint64_t>(n), &bytes))
      refuse("tensor '" + entry.name + "' has an impossible shape");
  if (bytes > static_cast<std::uint64_t>(INT64_MAX))
    refuse("tensor '" + entry.name + "' has an impossible shape");
  return bytes;
}

Entry parse_entry(const std::string& name, const json& value, std::uint64_t data_bytes,
                  const Refusal& refuse) {
  Entry entry{name, at::kFloat, {}, 0, 0};
  try {
    const auto dtype = value.at("dtype").get<std::string>();
    const auto known =
        std::find_if(kDtypes.begin(), kDtypes.end(), [&](const DtypeName& d) { return dtype == d.name; });
    if (known == kDtypes.end())
      refuse("tensor '" + name + "' has dtype '" + dtype + "', which is not supported");
    entry.type = known->type;
    for (const auto& n : value.at("shape")) {
      if (!n.is_number_unsigned()) refuse("tensor '" + name + "' has an impossible shape");
      const auto wide = n.get<std::uint64_t>();
      if (wide > static_cast<std::uint64_t>(INT64_MAX))
        refuse("tensor '" + name + "' has an impossible shape");
      entry.shape.push_back(static_cast<std::int64_t>(wide));
    }
    const auto& offsets = value.at("data_offsets");
    if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
        !offsets[1].is_number_unsigned())
      refuse("tensor '" + name + "' has malformed data_offsets");
    entry.begin = offsets[0].get<std::uint64_t>();
    entry.end = offsets[1].get<std::uint64_t>();
  } catch (const json::exception& e) {
    refuse("the entry of tensor '" + name + "' is malformed (" + e.what() + ")");
  }
  if (entry.shape.size() > kMaxDims) refuse("tensor '" + name + "' has too many dimensions");
  if (entry.begin > entry.end || entry.end > data_bytes)
    refuse("tensor '" + name + "' lies outside the file (bytes " + std::to_string(entry.begin) + " to " +
           std::to_string(entry.end) + " of " + std::to_string(data_bytes) + ")");
  if (shape_bytes(entry, refuse) != entry.end - entry.begin)
    refuse("tensor '" + name + "' has a shape that does not fit its " +
           std::to_string(entry.end - entry.begin) + " bytes");
  return entry;
}

void read_metadata(const json& value, std::map<std::string, std::string>& metadata, const Refusal& refuse) {
  if (!value.is_object()) refuse("its __metadata__ is not an object");
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string()) refuse("its metadata '" + key + "' is not a string");
    metadata[key] = text.get<std::string>();
  }
}

void check_ranges(std::vector<Entry>& entries, std::uint64_t data_bytes, const Refusal& refuse) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  std::uint64_t end = 0;
  for (const auto& entry : entries) {
    if (entry.begin != end)
      refuse("the bytes of tensor '" + entry.name + "' " +
             (entry.begin < end ? "overlap another's" : "leave a hole"));
    end = entry.end;
  }
  if (end != data_bytes)
    refuse("it has " + std::to_string(data_bytes - end) + " bytes after the last tensor");
}

/// A tensor and its name, in the order of the file.
using Ordered = std::vector<std::pair<std::string, at::Tensor>>;

const char* dtype_name(const std::string& name, at::ScalarType type) {
  for (const auto& dtype : kDtypes)
    if (dtype.type == type) return dtype.name;
  DL_CHECK(!"dtype has a safetensors name", name, c10::toString(type));
  return "";
}

std::string header_text(const Ordered& ordered, const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header[kMetadataKey] = metadata;
  std::uint64_t offset = 0;
  for (const auto& [name, tensor] : ordered) {
    const std::uint64_t end = offset + tensor.nbytes();
    header[name] = {{"dtype", dtype_name(name, tensor.scalar_type())},
                    {"shape", tensor.sizes().vec()},
                    {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');  // the data begins at a multiple of 8
  return text;
}

}  // namespace

const at::Tensor& TensorFile::at(const std::string& name, const std::filesystem::path& path) const {
  const auto found = tensors.find(name);
  if (found == tensors.end())
    throw Error(path.string() + " holds no tensor called '" + name + "'; it was written for something else");
  return found->second;
}

namespace {

TensorFile read_summed(std::istream& in, std::uint64_t file_bytes, const Refusal& refuse,
                       config::Sha256& sum) {
  std::uint64_t header_bytes = 0;
  static_assert(sizeof header_bytes == 8);
  const auto read = [&](void* to, std::uint64_t bytes) {
    if (!in.read(static_cast<char*>(to), static_cast<std::streamsize>(bytes))) return false;
    sum.update({static_cast<const char*>(to), bytes});
    return true;
  };
  if (file_bytes < 8 || !read(&header_bytes, 8)) refuse("it is shorter than 8 bytes");
  if (header_bytes > kMaxHeaderBytes || header_bytes > file_bytes - 8)
    refuse("its header claims " + std::to_string(header_bytes) + " bytes");
  std::string text(header_bytes, '\0');
  if (!read(text.data(), header_bytes)) refuse("its header cannot be read");
  const std::uint64_t data_bytes = file_bytes - 8 - header_bytes;

  TensorFile content;
  std::vector<Entry> entries;
  const json header = parse_header(text, refuse);
  for (const auto& [name, value] : header.items()) {
    if (name == kMetadataKey)
      read_metadata(value, content.metadata, refuse);
    else
      entries.push_back(parse_entry(name, value, data_bytes, refuse));
  }
  check_ranges(entries, data_bytes, refuse);
  for (const auto& entry : entries) {
    auto tensor = at::empty(entry.shape, at::TensorOptions().dtype(entry.type));
    if (!read(tensor.data_ptr(), entry.end - entry.begin))
      refuse("the bytes of tensor '" + entry.name + "' cannot be read");
    content.tensors.emplace(entry.name, std::move(tensor));
  }
  return content;
}

}  // namespace

TensorFile read_safetensors(const std::filesystem::path& path) {
  return read_safetensors_with_digest(path).content;
}

DigestedFile read_safetensors_with_digest(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::error_code error;
  const std::uint64_t file_bytes = std::filesystem::file_size(path, error);
  if (!in || error)
    throw Error("cannot open " + path.string() + ": " + (error ? error.message() : std::strerror(errno)));
  config::Sha256 sum;
  auto content = read_summed(in, file_bytes, Refusal(path), sum);
  return {std::move(content), sum.finish()};
}

TensorFile parse_safetensors(const std::string& bytes, const std::string& name) {
  std::istringstream in(bytes);
  config::Sha256 sum;
  const std::filesystem::path path(name);
  return read_summed(in, bytes.size(), Refusal(path), sum);
}

namespace {

/// Gives the SHA-256 of the bytes.
std::string write_to(std::ostream& out, const TensorFile& content) {
  Ordered ordered;
  for (const auto& [name, tensor] : content.tensors) {
    DL_CHECK(tensor.defined() && name != kMetadataKey, name);
    ordered.emplace_back(name, tensor.detach().to(at::kCPU).contiguous());
  }
  std::stable_sort(ordered.begin(), ordered.end(), [](const auto& a, const auto& b) {
    return a.second.element_size() > b.second.element_size();
  });
  const std::string header = header_text(ordered, content.metadata);
  config::Sha256 sum;
  const auto write = [&](const void* bytes, std::size_t size) {
    sum.update({static_cast<const char*>(bytes), size});
    out.write(static_cast<const char*>(bytes), static_cast<std::streamsize>(size));
  };
  const std::uint64_t header_bytes = header.size();
  write(&header_bytes, 8);
  write(header.data(), header.size());
  for (const auto& [name, tensor] : ordered) write(tensor.const_data_ptr(), tensor.nbytes());
  return sum.finish();
}

}  // namespace

std::string write_safetensors(const std::filesystem::path& path, const TensorFile& content) {
  std::string sum;
  config::write_durably_with(path, [&](const std::filesystem::path& temporary) {
    std::ofstream out(temporary, std::ios::binary | std::ios::trunc);
    sum = write_to(out, content);
    out.close();
    if (!out) throw Error("cannot write " + path.string() + ": " + std::strerror(errno));
  });
  return sum;
}

std::string safetensors_bytes(const TensorFile& content) {
  std::ostringstream out;
  write_to(out, content);
  return std::move(out).str();
}

}  // namespace driftloop::adapt
