#include "daemon/process_settings.h"

#include <unistd.h>

#include <cstdlib>
#include <initializer_list>
#include <utility>

namespace driftloop::daemon {
namespace {

constexpr std::pair<const char*, const char*> kPatientThreads{"GOMP_SPINCOUNT", "1000"};

void restart_with(char** argv, std::initializer_list<std::pair<const char*, const char*>> settings) {
  bool added = false;
  for (const auto& [name, value] : settings) {
    if (std::getenv(name) != nullptr) continue;
    setenv(name, value, /*overwrite=*/0);
    added = true;
  }
  if (added) execv("/proc/self/exe", argv);
}

}  // namespace

void restart_for_training(char** argv) {
  restart_with(argv,
               {kPatientThreads,
                {"GLIBC_TUNABLES",
                 "glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=4294967296"}});
}

void restart_with_patient_threads(char** argv) {
  restart_with(argv, {kPatientThreads});
}

}  // namespace driftloop::daemon
