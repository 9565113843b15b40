#include "adapt/selftrain/class_draw.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "config/check.h"
#include "config/label_space.h"

namespace driftloop::adapt {

std::size_t draw_by_softmax(std::span<const double> logit, config::Random& random) {
  DL_CHECK(!logit.empty());
  const double largest = *std::max_element(logit.begin(), logit.end());
  double sum = 0;
  for (const double one : logit) sum += std::exp(one - largest);
  double left = random.uniform(0, sum);
  for (std::size_t i = 0; i + 1 < logit.size(); ++i)
    if ((left -= std::exp(logit[i] - largest)) < 0) return i;
  return logit.size() - 1;
}

std::vector<int> rare_classes(std::string_view label_space) {
  constexpr std::array<int, 5> kFrequent{0, 1, 2, 8, 10};
  const auto& fold = config::label_space(label_space).fold;
  std::vector<int> rare;
  for (int c = 0; c < config::kClasses; ++c)
    if (fold[static_cast<std::size_t>(c)] == c &&
        std::find(kFrequent.begin(), kFrequent.end(), c) == kFrequent.end())
      rare.push_back(c);
  return rare;
}

std::vector<int> draw_unsure_classes(std::vector<int> classes, std::span<const double> confidence_c,
                                     int count, config::Random& random) {
  std::vector<int> drawn;
  while (!classes.empty() && static_cast<int>(drawn.size()) < count) {
    std::vector<double> logit;
    for (const int c : classes)
      logit.push_back(std::sqrt(std::max(0.0, 1 - confidence_c[static_cast<std::size_t>(c)])));
    const auto chosen = static_cast<std::ptrdiff_t>(draw_by_softmax(logit, random));
    drawn.push_back(classes[static_cast<std::size_t>(chosen)]);
    classes.erase(classes.begin() + chosen);
  }
  return drawn;
}

}  // namespace driftloop::adapt
