// Adaptive copy-paste (method.md 3.4): objects of classes that the student is unsure of, from one labelled
// image into another.
#pragma once
#include <vector>

#include "adapt/torch.h"

namespace driftloop::adapt {

struct LabelledImages {
  at::Tensor image_nhwc, label_nhw;  // undefined = there are none
};

/// `to` with the pixels of `from` whose label is one of `classes[n]`, n the image; all tensors on one
/// device. Nothing is changed in place.
LabelledImages paste_classes(const LabelledImages& to, const LabelledImages& from,
                             const std::vector<std::vector<int>>& classes);

}  // namespace driftloop::adapt
