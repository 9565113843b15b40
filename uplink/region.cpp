#include "uplink/region.h"

#include <algorithm>
#include <cmath>

#include "config/check.h"
#include "uplink/digest.h"
#include "uplink/wire.h"

namespace driftloop::uplink {
namespace {

constexpr std::size_t kMaxNameChars = 256;
constexpr std::size_t kMaxShortChars = 64;
constexpr std::size_t kMaxReasonChars = 1024;
// What the text fields, digests and numbers of a region or an answer take at most, with room for new fields.
constexpr std::size_t kOverheadBytes = 8192;

bool is_id_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
         c == '-';
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

/// The frame name becomes a path below the oracle's folder: it must not be able to leave it.
bool is_frame_name(std::string_view name) {
  if (name.empty() || name.size() > kMaxNameChars || has_control(name)) return false;
  while (true) {
    const std::size_t slash = name.find('/');
    const std::string_view part = name.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return false;
    if (slash == std::string_view::npos) return true;
    name.remove_prefix(slash + 1);
  }
}

bool is_inside(const Box& inner, const Box& outer) {
  return inner.width > 0 && inner.height > 0 && inner.x >= outer.x && inner.y >= outer.y &&
         inner.width <= outer.width && inner.height <= outer.height &&
         inner.x - outer.x <= outer.width - inner.width && inner.y - outer.y <= outer.height - inner.height;
}

bool is_hex_digest(std::string_view text) {
  return text.size() == 2 * kDigestBytes &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Box from_wire(const v1::BoxPx& box) {
  return {box.x(), box.y(), box.width(), box.height()};
}

void to_wire(const Box& box, v1::BoxPx& out) {
  out.set_x(box.x);
  out.set_y(box.y);
  out.set_width(box.width);
  out.set_height(box.height);
}

}  // namespace

bool is_vehicle_id(std::string_view text) {
  return !text.empty() && text.size() <= kMaxShortChars && text[0] != '.' &&
         std::all_of(text.begin(), text.end(), is_id_char);
}

std::string problem_of(const RegionRequest& r) {
  const auto side_ok = [](int side) { return side >= 1 && side <= kMaxFrameSidePx; };
  if (!is_vehicle_id(r.vehicle_id)) return "the vehicle id is not 1..64 characters of [A-Za-z0-9._-]";
  if (!is_frame_name(r.frame_name)) return "the frame name is not a plain relative name of 1..256 characters";
  if (!side_ok(r.frame_width) || !side_ok(r.frame_height)) return "the frame size is outside 1..16384 px";
  if (!is_inside(r.crop, {0, 0, r.frame_width, r.frame_height})) return "the crop is not inside the frame";
  if (!is_inside(r.box, r.crop)) return "the box is not inside the crop";
  if (r.crop_image.empty()) return "there is no crop image";
  if (r.crop_image.size() + r.prediction_png.size() > kMaxRegionBytes - kOverheadBytes)
    return "the images take more than 4 MiB";
  if (!std::isfinite(r.score)) return "the score is not a number";
  if (r.round < 0) return "the round is negative";
  if (r.strategy.size() > kMaxShortChars || has_control(r.strategy)) return "the strategy is not a name";
  if (r.label_space.size() > kMaxShortChars || has_control(r.label_space))
    return "the label space is not a name";
  return {};
}

std::string problem_of(const LabelReply& r) {
  if (!is_hex_digest(r.request_digest)) return "the request digest is not 64 hexadecimal characters";
  const bool labelled = r.outcome == LabelReply::Outcome::labelled;
  if (labelled && r.mask_png.empty()) return "a labelled answer without a mask";
  if (!labelled && !r.mask_png.empty()) return "a refused answer with a mask";
  if (r.mask_png.size() > kMaxLabelBytes - kOverheadBytes) return "the mask takes more than 1 MiB";
  if (r.labeller.size() > kMaxShortChars || has_control(r.labeller)) return "the labeller is not a name";
  if (r.reason.size() > kMaxReasonChars || has_control(r.reason)) return "the reason is not one short line";
  return {};
}

std::string encode(const RegionRequest& r) {
  const std::string problem = problem_of(r);
  DL_CHECK(problem.empty(), problem);
  v1::Region out;
  out.set_vehicle_id(r.vehicle_id);
  out.set_frame_name(r.frame_name);
  out.set_captured_ns(r.captured_ns);
  out.set_frame_width(r.frame_width);
  out.set_frame_height(r.frame_height);
  to_wire(r.box, *out.mutable_box());
  to_wire(r.crop, *out.mutable_crop());
  out.set_crop_image(r.crop_image);
  out.set_prediction_png(r.prediction_png);
  out.set_score(r.score);
  out.set_strategy(r.strategy);
  out.set_round(r.round);
  out.set_label_space(r.label_space);
  return out.SerializeAsString();
}

std::string encode(const LabelReply& r) {
  const std::string problem = problem_of(r);
  DL_CHECK(problem.empty(), problem);
  v1::LabelAnswer out;
  out.set_request_digest(raw_digest(r.request_digest));
  out.set_outcome(r.outcome == LabelReply::Outcome::labelled ? v1::LabelAnswer::LABELLED
                                                             : v1::LabelAnswer::REFUSED);
  out.set_mask_png(r.mask_png);
  out.set_labeller(r.labeller);
  out.set_labelled_ns(r.labelled_ns);
  out.set_reason(r.reason);
  return out.SerializeAsString();
}

Decoded<RegionRequest> decode_region(std::string_view bytes) {
  silence_protobuf();
  v1::Region in;
  if (bytes.size() > kMaxRegionBytes) return {{}, "a region of more than 4 MiB"};
  if (!in.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return {{}, "not a region message"};
  RegionRequest r;
  r.vehicle_id = in.vehicle_id();
  r.frame_name = in.frame_name();
  r.captured_ns = in.captured_ns();
  r.frame_width = in.frame_width();
  r.frame_height = in.frame_height();
  r.box = from_wire(in.box());
  r.crop = from_wire(in.crop());
  r.crop_image = std::move(*in.mutable_crop_image());
  r.prediction_png = std::move(*in.mutable_prediction_png());
  r.score = in.score();
  r.strategy = in.strategy();
  r.round = in.round();
  r.label_space = in.label_space();
  std::string problem = problem_of(r);
  if (!problem.empty()) return {{}, std::move(problem)};
  return {std::move(r), {}};
}

Decoded<LabelReply> decode_label(std::string_view bytes) {
  silence_protobuf();
  v1::LabelAnswer in;
  if (bytes.size() > kMaxLabelBytes) return {{}, "an answer of more than 1 MiB"};
  if (!in.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return {{}, "not an answer message"};
  if (in.outcome() != v1::LabelAnswer::LABELLED && in.outcome() != v1::LabelAnswer::REFUSED)
    return {{}, "an answer without an outcome"};
  LabelReply r;
  r.request_digest = hex_digest(in.request_digest()).value_or("");
  r.outcome = in.outcome() == v1::LabelAnswer::LABELLED ? LabelReply::Outcome::labelled
                                                        : LabelReply::Outcome::refused;
  r.mask_png = std::move(*in.mutable_mask_png());
  r.labeller = in.labeller();
  r.labelled_ns = in.labelled_ns();
  r.reason = in.reason();
  std::string problem = problem_of(r);
  if (!problem.empty()) return {{}, std::move(problem)};
  return {std::move(r), {}};
}

}  // namespace driftloop::uplink
