// Ranks as threads of one process: what is shared between them is really waited for.
#pragma once
#include <ATen/ATen.h>

#include <barrier>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "adapt/ranks.h"

namespace driftloop::test {

class ThreadRanks {
 public:
  explicit ThreadRanks(int count)
      : tensors_(static_cast<std::size_t>(count)), texts_(tensors_.size()), meeting_(count) {
    for (int rank = 0; rank < count; ++rank) members_.emplace_back(*this, rank);
  }

  /// Runs `work` once for each rank, all at the same time; the first exception is thrown again.
  void run(const std::function<void(const adapt::Ranks&)>& work) {
    std::exception_ptr error;
    std::mutex mutex;
    {
      std::vector<std::jthread> threads;
      for (const Member& member : members_)
        threads.emplace_back([&] {
          try {
            work(member);
          } catch (...) {
            const std::lock_guard lock(mutex);
            if (!error) error = std::current_exception();
            meeting_.arrive_and_drop();
          }
        });
    }
    if (error) std::rethrow_exception(error);
  }

 private:
  class Member : public adapt::Ranks {
   public:
    Member(ThreadRanks& all, int rank) : all_(all), rank_(rank) {}
    int rank() const override { return rank_; }
    int count() const override { return static_cast<int>(all_.members_.size()); }
    void sum(at::Tensor& tensor) const override {
      all_.tensors_[static_cast<std::size_t>(rank_)] = tensor;
      all_.meeting_.arrive_and_wait();
      at::Tensor total = all_.tensors_[0].clone();
      for (std::size_t i = 1; i < all_.tensors_.size(); ++i) total += all_.tensors_[i];
      all_.meeting_.arrive_and_wait();
      tensor.copy_(total);
    }
    std::vector<std::string> gather(const std::string& bytes) const override {
      all_.texts_[static_cast<std::size_t>(rank_)] = bytes;
      all_.meeting_.arrive_and_wait();
      auto texts = all_.texts_;
      all_.meeting_.arrive_and_wait();
      return texts;
    }

   private:
    ThreadRanks& all_;
    int rank_;
  };

  std::vector<at::Tensor> tensors_;
  std::vector<std::string> texts_;
  std::vector<Member> members_;
  std::barrier<> meeting_;
};

}  // namespace driftloop::test
