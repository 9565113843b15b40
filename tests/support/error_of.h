#pragma once
#include <string>

#include "config/check.h"

namespace driftloop::test {

/// What the Error says that `work` throws; "no error" when it throws none.
template <class Work>
std::string error_of(const Work& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace driftloop::test
