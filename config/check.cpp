#include "config/check.h"

namespace driftloop::detail {

void throw_check(const char* condition, const char* file, int line, const std::string& values) {
  std::ostringstream out;
  out << file << ':' << line << ": check failed: " << condition;
  if (!values.empty()) out << " (" << values << ')';
  throw CheckError(out.str());
}

}  // namespace driftloop::detail
