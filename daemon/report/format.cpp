#include "daemon/report/format.h"

#include <array>
#include <cctype>
#include <cmath>
#include <cstdio>

namespace driftloop::daemon {
namespace {

constexpr const char* kNotMeasured = "–";
constexpr const char* kThinSpace = "\u202f";

template <class... Ts>
std::string print(const char* format, Ts... values) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), format, values...);
  return text.data();
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string slug(std::string_view text) {
  std::string out;
  for (unsigned char c : text) {
    if (std::isalnum(c) && c < 128)
      out += static_cast<char>(std::tolower(c));
    else if (!out.empty() && out.back() != '-')
      out += '-';
  }
  while (!out.empty() && out.back() == '-') out.pop_back();
  return out.empty() ? "x" : out.substr(0, 40);
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k)
      group = group << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    for (std::size_t k = 0; k < 4; ++k)
      out += i + k > bytes.size() ? '=' : kDigits[group >> (18 - 6 * k) & 63U];
  }
  return out;
}

std::string points(double value) {
  return std::isfinite(value) ? print("%.1f", value * 100.0) : kNotMeasured;
}

std::string signed_points(double value) {
  if (!std::isfinite(value)) return kNotMeasured;
  const std::string size = print("%.1f", std::abs(value) * 100.0);
  if (size == "0.0") return size;
  return (value > 0 ? "+" : "−") + size;
}

std::string percent(double share) {
  if (!std::isfinite(share)) return kNotMeasured;
  const double value = share * 100.0;
  if (value >= 99.5 || value == 0.0) return print("%.0f %%", value);
  if (value >= 10.0) return print("%.0f %%", value);
  // Two significant digits below ten per cent: budgets are 0.25, 1 or 2.2 %.
  return print("%.2g", value) + " %";
}

std::string count(std::int64_t value) {
  std::string digits = std::to_string(value);
  for (std::ptrdiff_t at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > (value < 0 ? 1 : 0); at -= 3)
    digits.insert(static_cast<std::size_t>(at), kThinSpace);
  return digits;
}

std::string bytes(std::int64_t value) {
  constexpr std::array<const char*, 5> kUnits = {"B", "kB", "MB", "GB", "TB"};
  double scaled = static_cast<double>(value);
  std::size_t unit = 0;
  while (scaled >= 999.5 && unit + 1 < kUnits.size()) {
    scaled /= 1000.0;
    ++unit;
  }
  return print(unit == 0 || scaled >= 99.5 ? "%.0f" : "%.1f", scaled) + " " + kUnits[unit];
}

std::string duration(double seconds) {
  if (!std::isfinite(seconds)) return kNotMeasured;
  if (seconds > 0 && seconds < 0.0995) return print("%.3g ms", 1e3 * seconds);
  if (seconds < 9.95) return print("%.1f s", seconds);
  const auto whole = static_cast<long>(std::lround(seconds));
  if (whole < 60) return print("%ld s", whole);
  if (whole < 3600) return print("%ld min %02ld s", whole / 60, whole % 60);
  const long minutes = (whole + 30) / 60;
  return print("%ld h %02ld min", minutes / 60, minutes % 60);
}

std::string compact(double value) {
  return print("%g", value);
}

}  // namespace driftloop::daemon
