#include "adapt/selftrain/copy_paste.h"

#include "config/check.h"

namespace driftloop::adapt {

LabelledImages paste_classes(const LabelledImages& to, const LabelledImages& from,
                             const std::vector<std::vector<int>>& classes) {
  constexpr std::int64_t kLabels = 256;  // 255, no label, is never pasted
  const auto count = static_cast<std::int64_t>(classes.size());
  DL_CHECK(to.label_nhw.sizes() == from.label_nhw.sizes() && to.label_nhw.size(0) == count,
           to.label_nhw.sizes(), from.label_nhw.sizes(), count);
  auto wanted = at::zeros({count, kLabels}, at::kBool);
  auto wants = wanted.accessor<bool, 2>();
  for (std::size_t n = 0; n < classes.size(); ++n)
    for (const int c : classes[n]) wants[static_cast<std::int64_t>(n)][c] = true;
  const auto pasted = wanted.to(from.label_nhw.device())
                          .gather(1, from.label_nhw.reshape({count, -1}))
                          .view_as(from.label_nhw);
  return {at::where(pasted.unsqueeze(3), from.image_nhwc, to.image_nhwc),
          at::where(pasted, from.label_nhw, to.label_nhw)};
}

}  // namespace driftloop::adapt
