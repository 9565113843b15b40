// What a look at settings or at a machine brought out: one line of fact, and what to do about it.
#pragma once
#include <string>
#include <vector>

namespace driftloop::daemon {

struct Finding {
  enum class Level {
    ok,
    warn,  // it works, or will, but not as one may think
    fail   // it cannot work
  };
  Level level = Level::ok;
  std::string what;  // a setting's key ("camera.uri") or a part of the machine ("clock")
  std::string text;  // one line
  std::string cure;  // what to do, "" where the text says it
};
using Findings = std::vector<Finding>;

bool any_fails(const Findings& findings);
const char* level_name(Finding::Level level);

}  // namespace driftloop::daemon
