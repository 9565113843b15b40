// Which classes the teacher saw in which frame when it last looked: where adaptive CutMix finds a class
// (method.md 3.4).
#pragma once
#include <bitset>
#include <map>
#include <span>
#include <string>

#include "adapt/files/safetensors.h"
#include "config/label_space.h"
#include "config/random.h"

namespace driftloop::adapt {

/// An image to cut a piece of a class from; no frame = none is known.
struct CutWish {
  std::string frame_id;
  int class_id = -1;
};

class ClassBank {
 public:
  /// So many frames are remembered, those that were seen last (about 150 bytes each).
  explicit ClassBank(std::size_t most_frames = 16'384) : most_frames_(most_frames) {}

  /// `share_c`: of the frame's area, by class. A class with less than 1 % of it does not count.
  void saw(const std::string& frame_id, std::span<const double> share_c);
  void forget(const std::string& frame_id) { frames_.erase(frame_id); }
  std::size_t size() const { return frames_.size(); }

  /// A class with probability softmax(1 - confidence) among those that some frame holds, and one of its
  /// frames.
  CutWish wish(std::span<const double> confidence_c, config::Random& random) const;

  void save(TensorFile& file) const;
  void load(const TensorFile& file);
  /// What save() writes at most.
  std::int64_t stored_bytes() const;

 private:
  struct Seen {
    std::bitset<config::kClasses> classes;
    std::uint64_t turn;  // of the look, ascending
  };
  std::size_t most_frames_;
  std::map<std::string, Seen> frames_;
  std::uint64_t turn_ = 0;
};

}  // namespace driftloop::adapt
