// The weights of a net as named tensors: copied, digested, put into files and taken from them.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "adapt/files/safetensors.h"
#include "adapt/model/segmentation_net.h"

namespace driftloop::adapt {

/// Copies parameters and buffers by name from `source` to `target`, two nets of the same options.
void copy_weights(const SegmentationNet& source, SegmentationNet& target);
/// The buffers (batch-norm statistics) alone.
void copy_buffers(const SegmentationNet& source, SegmentationNet& target);

/// SHA-256 over the names and values of parameters and buffers, 64 hex digits. Copies each to the CPU.
std::string weights_digest(const SegmentationNet& net);

/// Puts "prefix.name" tensors into `file` / copies them from it into `net`, checking names and shapes
/// (Error, with `path` in its text).
void put_net(const SegmentationNet& net, const std::string& prefix, TensorFile& file);
void get_net(const TensorFile& file, const std::string& prefix, const std::filesystem::path& path,
             SegmentationNet& net);

/// Stores the tensors under `prefix` once when all of them are bit for bit those under `as` (the live model
/// after a promotion): the metadata says so. `stored_prefix` gives the prefix to read them from.
void drop_copies(const std::string& prefix, const std::string& as, TensorFile& file);
std::string stored_prefix(const std::string& prefix, const TensorFile& file);

/// What tensors take in a file, their entries in its header included.
std::int64_t stored_bytes(const std::vector<at::Tensor>& tensors);

}  // namespace driftloop::adapt
