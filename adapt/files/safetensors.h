// Reading and writing .safetensors: a JSON header of names, dtypes, shapes and byte ranges, then the raw
// bytes. Files come from other people (published weights), so nothing in them is believed before it is
// checked.
#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <string>

namespace driftloop::adapt {

/// Tensors (CPU, contiguous, own their memory) and string metadata by name.
struct TensorFile {
  std::map<std::string, at::Tensor> tensors;
  std::map<std::string, std::string> metadata;

  /// The tensor called `name`. Throws Error when there is none; `path` is for the message.
  const at::Tensor& at(const std::string& name, const std::filesystem::path& path) const;
};

/// Reads the whole file; dtypes F64 F32 F16 BF16 I64 I32 I16 I8 U8 BOOL. Throws Error that names the file and
/// the tensor when the file cannot be read, or its header lies (length, shape, byte ranges that overlap,
/// leave holes or pass the end).
TensorFile read_safetensors(const std::filesystem::path& path);

/// The same, with the SHA-256 of the file's bytes, in one pass over them.
struct DigestedFile {
  TensorFile content;
  std::string sha256;
};
DigestedFile read_safetensors_with_digest(const std::filesystem::path& path);

/// Replaces `path` durably (config::write_durably_with). The same content gives the same bytes: wide dtypes
/// first (so that every tensor is aligned to its element), then by name. Tensors may be on any device and
/// strided. Gives the SHA-256 of the bytes it wrote. Throws Error when the disk refuses, CheckError for a
/// dtype that the format lacks.
std::string write_safetensors(const std::filesystem::path& path, const TensorFile& content);

/// What write_safetensors() would write.
std::string safetensors_bytes(const TensorFile& content);
/// As read_safetensors(); `name` stands in the place of the file's in messages.
TensorFile parse_safetensors(const std::string& bytes, const std::string& name);

}  // namespace driftloop::adapt
