#include "adapt/process_ranks.h"

#include "config/check.h"

#ifdef DRIFTLOOP_C10D
#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#ifdef DRIFTLOOP_NCCL
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

#include "adapt/out_of_memory.h"

namespace driftloop::adapt {
namespace {

std::string first_line(const std::exception& error) {
  const std::string text = error.what();
  return text.substr(0, text.find('\n'));
}

class ProcessRanks final : public Ranks {
 public:
  explicit ProcessRanks(const Rendezvous& meeting) : rank_(meeting.rank), count_(meeting.count) {
    const auto patience = std::chrono::duration_cast<std::chrono::milliseconds>(meeting.patience);
    c10d::TCPStoreOptions options;
    options.port = static_cast<std::uint16_t>(meeting.port);
    options.isServer = rank_ == 0;
    options.numWorkers = static_cast<std::size_t>(count_);
    options.timeout = patience;
    const auto store = c10::make_intrusive<c10d::TCPStore>(meeting.address, options);
    const auto gloo = c10d::ProcessGroupGloo::Options::create(patience);
    gloo->devices.push_back(on_one_machine(meeting.address)
                                ? c10d::ProcessGroupGloo::createDeviceForHostname(meeting.address, false)
                                : c10d::ProcessGroupGloo::createDefaultDevice(false));
    cpu_ = c10::make_intrusive<c10d::ProcessGroupGloo>(store, rank_, count_, gloo);
#ifdef DRIFTLOOP_NCCL
    if (meeting.device.starts_with("cuda")) {
      const auto nccl = c10d::ProcessGroupNCCL::Options::create();
      nccl->timeout = patience;
      gpu_ = c10::make_intrusive<c10d::ProcessGroupNCCL>(store, rank_, count_, nccl);
    }
#endif
  }

  int rank() const override { return rank_; }
  int count() const override { return count_; }

  void sum(at::Tensor& tensor) const override {
    together([&] {
      const bool over_cpu = tensor.is_cuda() && !gpu_;
      std::vector<at::Tensor> parts{(over_cpu ? tensor.cpu() : tensor).contiguous()};
      (tensor.is_cuda() && gpu_ ? *gpu_ : *cpu_).allreduce(parts)->wait();
      if (!parts[0].is_same(tensor)) tensor.copy_(parts[0]);
    });
  }

  std::vector<std::string> gather(const std::string& bytes) const override {
    std::vector<std::string> all(static_cast<std::size_t>(count_));
    together([&] {
      auto sizes = at::zeros({count_}, at::kLong);
      sizes[rank_] = static_cast<std::int64_t>(bytes.size());
      std::vector<at::Tensor> shared{sizes};
      cpu_->allreduce(shared)->wait();
      const auto longest = std::max<std::int64_t>(1, sizes.max().item<std::int64_t>());
      auto own = at::zeros({longest}, at::kByte);
      if (!bytes.empty()) std::memcpy(own.data_ptr(), bytes.data(), bytes.size());
      std::vector<std::vector<at::Tensor>> out(1);
      for (int i = 0; i < count_; ++i) out[0].push_back(at::empty({longest}, at::kByte));
      std::vector<at::Tensor> in{own};
      cpu_->allgather(out, in)->wait();
      for (int i = 0; i < count_; ++i)
        all[static_cast<std::size_t>(i)].assign(
            reinterpret_cast<const char*>(out[0][static_cast<std::size_t>(i)].const_data_ptr()),
            static_cast<std::size_t>(sizes[i].item<std::int64_t>()));
    });
    return all;
  }

 private:
  static bool on_one_machine(const std::string& address) {
    return address == "127.0.0.1" || address == "localhost" || address == "::1";
  }
  template <class Work>
  void together(const Work& work) const {
    try {
      work();
    } catch (const std::exception& error) {
      // Not OutOfMemory, which is tried again with a smaller batch: the others are waiting in this exchange.
      if (is_out_of_memory(error))
        throw Error("not enough memory for what the processes of this run exchange (" + first_line(error) +
                    "): lower the images of a step or the crops");
      throw Error("one of the " + std::to_string(count_) + " processes of this run is lost (" +
                  first_line(error) + "): the same command goes on where the run last saved its state");
    }
  }

  int rank_, count_;
  c10::intrusive_ptr<c10d::Backend> cpu_, gpu_;
};

}  // namespace

std::unique_ptr<Ranks> join_ranks(const Rendezvous& meeting) {
  DL_CHECK(meeting.count >= 1 && meeting.rank >= 0 && meeting.rank < meeting.count, meeting.rank,
           meeting.count);
  try {
    return std::make_unique<ProcessRanks>(meeting);
  } catch (const std::exception& error) {
    throw Error("the " + std::to_string(meeting.count) + " processes of this run did not meet at " +
                meeting.address + ':' + std::to_string(meeting.port) + ": " + first_line(error));
  }
}

}  // namespace driftloop::adapt

#else

namespace driftloop::adapt {

std::unique_ptr<Ranks> join_ranks(const Rendezvous&) {
  throw Error(
      "this build cannot share a run between processes: LibTorch has no Gloo, or its headers are missing "
      "(apt install libgloo-dev, then build again)");
}

}  // namespace driftloop::adapt
#endif
