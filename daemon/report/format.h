// Numbers and text as the page and the verdict print them. UTF-8.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace driftloop::daemon {

/// Text that is safe inside an HTML element or a quoted attribute.
std::string escape_html(std::string_view text);

/// Lower-case letters, digits and dashes, never empty: for file names and anchors.
std::string slug(std::string_view text);

std::string base64(std::string_view bytes);

/// `value` (0..1) in percent with one decimal and no sign: 0.4123 -> "41.2"; NaN -> "–".
std::string points(double value);

/// The same with an explicit sign: "+1.2", "−0.4".
std::string signed_points(double value);

/// A share with as many decimals as it needs: 0.005 -> "0.5 %", 0.00025 -> "0.025 %", 0.83 -> "83 %".
std::string percent(double share);

/// 1234567 -> "1 234 567" (thin spaces).
std::string count(std::int64_t value);

/// 1234567 -> "1.2 MB" (decimal units).
std::string bytes(std::int64_t value);

/// 0.31 -> "0.3 s", 192 -> "3 min 12 s", 7300 -> "2 h 02 min".
std::string duration(double seconds);

/// The shortest usual form of a number: 0.25, 3, 1e+12.
std::string compact(double value);

}  // namespace driftloop::daemon
