// Nets with weights that two implementations can agree on without exchanging a file.
#pragma once
#include <zlib.h>

#include <cmath>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "adapt/model/segmentation_net.h"

namespace driftloop::test {

/// The rule of cases/README.md.
inline void fill(const std::string& name, torch::Tensor tensor) {
  const auto crc = static_cast<std::uint64_t>(
      crc32(0, reinterpret_cast<const Bytef*>(name.data()), static_cast<uInt>(name.size())));
  const std::int64_t count = tensor.numel();
  std::vector<float> values(static_cast<std::size_t>(count));
  const auto ends_with = [&](const char* end) { return name.ends_with(end); };
  const double spread =
      tensor.dim() > 1 ? std::sqrt(3.0 * static_cast<double>(tensor.size(0)) / static_cast<double>(count))
                       : 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double u = static_cast<double>((i * 2654435761ULL + crc) % (1ULL << 32)) / 4294967296.0;
    double value = 0.5 + u;
    if (ends_with("running_mean") || ends_with("bias"))
      value = 0.1 * (u - 0.5);
    else if (tensor.dim() > 1)
      value = 2 * (u - 0.5) * spread;
    values[i] = static_cast<float>(value);
  }
  tensor.copy_(torch::tensor(values).view(tensor.sizes()));
}

/// A line for each, sorted.
inline std::string names_and_shapes(const adapt::SegmentationNet& net) {
  std::map<std::string, std::string> lines;
  const auto add = [&](const auto& items) {
    for (const auto& item : items) {
      std::ostringstream line;
      line << item.key() << " [";
      for (std::int64_t d = 0; d < item.value().dim(); ++d) line << (d ? ", " : "") << item.value().size(d);
      line << ']';
      lines[item.key()] = line.str();
    }
  };
  add(net.named_parameters());
  add(net.named_buffers());
  std::string text;
  for (const auto& [name, line] : lines) text += line + '\n';
  return text;
}

inline std::string sorted_lines(const std::string& text) {
  std::istringstream in(text);
  std::map<std::string, std::string> lines;
  for (std::string line; std::getline(in, line);) lines[line.substr(0, line.find(' '))] = line;
  std::string sorted;
  for (const auto& [name, line] : lines) sorted += line + '\n';
  return sorted;
}

/// All parameters and statistics; the net is then in evaluation mode.
inline void fill(adapt::SegmentationNet& net) {
  for (auto& item : net.named_parameters()) fill(item.key(), item.value());
  for (auto& item : net.named_buffers())
    if (item.value().is_floating_point()) fill(item.key(), item.value());
  net.eval();
}

}  // namespace driftloop::test
