// What goes up and what comes back: a region that wants a label, and the answer to it. Plain structs for the
// other rooms; encode/decode turn them into the bytes that are stored, digested and sent.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace driftloop::uplink {

inline constexpr int kMaxFrameSidePx = 16384;
inline constexpr std::size_t kMaxRegionBytes = 4u << 20;  // one encoded region
inline constexpr std::size_t kMaxLabelBytes = 1u << 20;   // one encoded answer

struct Box {  // pixels of the full frame
  int x = 0;
  int y = 0;
  int width = 0;
  int height = 0;
  bool operator==(const Box&) const = default;
};

struct RegionRequest {
  std::string vehicle_id;        // [A-Za-z0-9._-], 1..64 characters
  std::string frame_name;        // relative, '/' allowed, no "..", 1..256 characters; names the ground truth
  std::int64_t captured_ns = 0;  // wall clock, for people only: nothing is ordered or expired by it
  int frame_width = 0;           // px, as captured
  int frame_height = 0;
  Box box;                     // what is to be labelled; inside `crop`
  Box crop;                    // what `crop_image` shows: the region and its surroundings; inside the frame
  std::string crop_image;      // JPEG, PNG or WebP file bytes, RGB, crop.width x crop.height
  std::string prediction_png;  // 8-bit trainIds over `box`, or empty
  double score = 0;            // acquisition score, finite
  std::string strategy;        // acquisition strategy that asked
  int round = 0;               // of the learner, >= 0
  std::string label_space;     // a name from config::label_space_names()
};

struct LabelReply {
  enum class Outcome { labelled, refused };
  std::string request_digest;  // 64 hex characters: the region it answers
  Outcome outcome = Outcome::refused;
  std::string mask_png;  // 8-bit trainIds, box.width x box.height, 255 = not labelled; empty when refused
  std::string labeller;  // who or what answered
  std::int64_t labelled_ns = 0;  // wall clock, for people only
  std::string reason;            // one line when refused
};

/// The outcome of reading bytes from outside: a value, or one line that says what is wrong with them.
template <class T>
struct Decoded {
  std::optional<T> value;
  std::string problem;
  explicit operator bool() const { return value.has_value(); }
};

/// What is wrong with the struct, or "" when it may be sent.
std::string problem_of(const RegionRequest& request);
std::string problem_of(const LabelReply& reply);

/// The bytes to store and send. A struct with a problem is the caller's bug (CheckError).
std::string encode(const RegionRequest& request);
std::string encode(const LabelReply& reply);

/// Reads bytes from the wire or a disk; never throws on their content. Every limit above is enforced.
[[nodiscard]] Decoded<RegionRequest> decode_region(std::string_view bytes);
[[nodiscard]] Decoded<LabelReply> decode_label(std::string_view bytes);

/// True for 1..64 characters of [A-Za-z0-9._-] that do not begin with '.'.
bool is_vehicle_id(std::string_view text);

}  // namespace driftloop::uplink
