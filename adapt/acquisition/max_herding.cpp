#include "adapt/acquisition/max_herding.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <queue>
#include <tuple>

#include "config/check.h"

namespace driftloop::adapt {
namespace {

constexpr std::int64_t kBlockRows = 1024;  // x 20,000 points x 4 bytes = 80 MB of kernel values at a time
constexpr std::size_t kTried = 32;         // candidates whose gains are computed together

/// A candidate and what it gained when that was last computed; the largest first, then the lowest number.
struct Bound {
  float gain;
  std::int64_t candidate;
  bool operator<(const Bound& other) const {
    return std::tie(gain, other.candidate) < std::tie(other.gain, candidate);
  }
};

class Coverage {
 public:
  Coverage(const at::Tensor& point_nd, double sigma)
      : points_dn_(point_nd.t().contiguous()),
        scale_(2 / (sigma * sigma)),
        covered_n_(at::zeros({point_nd.size(0)}, point_nd.options())) {}

  /// (rows, N): k of unit rows, where |x - y|^2 = 2 - 2 cos.
  at::Tensor kernel(const at::Tensor& row_md) const {
    return at::mm(row_md, points_dn_).sub_(1).mul_(scale_).exp_();
  }
  void add(const at::Tensor& row_md) {
    for (std::int64_t m = 0; m < row_md.size(0); m += kBlockRows)
      covered_n_ = at::maximum(covered_n_, kernel(row_md.slice(0, m, m + kBlockRows)).amax(0));
  }
  /// (rows) on the CPU: what each would add to the sum over the points.
  at::Tensor gains(const at::Tensor& row_md) const {
    return kernel(row_md).sub_(covered_n_).clamp_min_(0).sum(1).cpu().contiguous();
  }

 private:
  at::Tensor points_dn_;
  double scale_;
  at::Tensor covered_n_;
};

class Herd {
 public:
  explicit Herd(const HerdingProblem& problem) : p_(problem), coverage_(problem.point_nd, problem.sigma) {
    if (p_.taken_kd.defined() && p_.taken_kd.size(0) > 0) coverage_.add(p_.taken_kd);
  }

  std::vector<std::int64_t> take() {
    std::vector<std::int64_t> taken;
    if (!bound_all()) return taken;
    while (static_cast<std::int64_t>(taken.size()) < p_.count && !bounds_.empty()) {
      if (p_.before_step && !p_.before_step()) break;
      const auto best = pop_best();
      if (p_.may_take && !p_.may_take(best)) continue;
      coverage_.add(p_.candidate_md.slice(0, best, best + 1));
      taken.push_back(best);
    }
    return taken;
  }

 private:
  /// False when it was stopped.
  bool bound_all() {
    for (std::int64_t m = 0; m < p_.candidate_md.size(0); m += kBlockRows) {
      if (p_.before_step && !p_.before_step()) return false;
      const auto gains = coverage_.gains(p_.candidate_md.slice(0, m, m + kBlockRows));
      const auto* gain = gains.const_data_ptr<float>();
      for (std::int64_t i = 0; i < gains.size(0); ++i) bounds_.push({gain[i], m + i});
    }
    return true;
  }

  /// Takes the best out of the queue: that whose gain, computed now, no bound of another exceeds.
  std::int64_t pop_best() {
    for (;;) {
      std::vector<std::int64_t> tried;
      while (tried.size() < kTried && !bounds_.empty()) {
        tried.push_back(bounds_.top().candidate);
        bounds_.pop();
      }
      const auto rows = at::tensor(tried, at::kLong).to(p_.candidate_md.device());
      const auto gains = coverage_.gains(p_.candidate_md.index_select(0, rows));
      const auto* gain = gains.const_data_ptr<float>();
      for (std::size_t i = 0; i < tried.size(); ++i) {
        const Bound now{gain[i], tried[i]};
        bounds_.push(now);
        if (!fresh_ || *fresh_ < now) fresh_ = now;
      }
      const Bound top = bounds_.top();
      if (top.candidate == fresh_->candidate) {
        bounds_.pop();
        fresh_.reset();
        return top.candidate;
      }
    }
  }

  const HerdingProblem& p_;
  Coverage coverage_;
  std::priority_queue<Bound> bounds_;
  std::optional<Bound> fresh_;  // the best whose gain was computed since the last was taken
};

}  // namespace

std::vector<std::int64_t> max_herding(const HerdingProblem& problem) {
  DL_CHECK(problem.point_nd.dim() == 2 && problem.candidate_md.dim() == 2 && problem.sigma > 0,
           problem.point_nd.sizes(), problem.candidate_md.sizes(), problem.sigma);
  const c10::NoGradGuard no_grad;
  if (problem.point_nd.size(0) == 0 || problem.candidate_md.size(0) == 0) return {};
  return Herd(problem).take();
}

}  // namespace driftloop::adapt
