#include "adapt/data/label_cutout.h"

#include <algorithm>

#include "config/check.h"

namespace driftloop::adapt {

std::vector<std::uint8_t> pack_label(const cv::Mat& label) {
  DL_CHECK(label.type() == CV_8UC1, label.type());
  const cv::Mat dense = label.isContinuous() ? label : label.clone();
  const std::uint8_t *next = dense.data, *end = dense.data + dense.total();
  std::vector<std::uint8_t> packed;
  while (next != end) {
    const std::uint8_t value = *next;
    const auto* run_end = std::find_if(next, end, [value](std::uint8_t other) { return other != value; });
    packed.push_back(value);
    auto length = static_cast<std::size_t>(run_end - next);
    for (; length >= 0x80; length >>= 7) packed.push_back(static_cast<std::uint8_t>(length | 0x80));
    packed.push_back(static_cast<std::uint8_t>(length));
    next = run_end;
  }
  packed.shrink_to_fit();
  return packed;
}

cv::Mat unpack_label(std::span<const std::uint8_t> packed, cv::Size size) {
  const auto refuse = [&] {
    throw Error("a stored label of " + std::to_string(size.width) + "x" + std::to_string(size.height) +
                " px does not unpack; the state is damaged or of a later version");
  };
  cv::Mat label(size, CV_8UC1);
  std::size_t done = 0;
  const std::size_t pixels = label.total();
  for (std::size_t i = 0; i < packed.size();) {
    const std::uint8_t value = packed[i++];
    std::size_t length = 0;
    for (int shift = 0;; shift += 7) {
      if (i == packed.size() || shift > 56) refuse();
      const std::uint8_t byte = packed[i++];
      length |= static_cast<std::size_t>(byte & 0x7F) << shift;
      if (byte < 0x80) break;
    }
    if (length > pixels - done) refuse();
    std::fill_n(label.data + done, length, value);
    done += length;
  }
  if (done != pixels) refuse();
  return label;
}

}  // namespace driftloop::adapt
