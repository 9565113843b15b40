// The vector loops of window.h and window_impurity.h. A window's sum is the difference of two running sums:
// it costs the same whatever its side. No LibTorch here.
#pragma once
#include <cstdint>

namespace driftloop::adapt {

constexpr int kWindows = 32;  // of one window_entropies()

/// sums[x] = counts[0] + .. + counts[x]; in 8 and 16 bits modulo 256 and 65536, which is enough, and faster,
/// where kWindows windows beside one another have fewer pixels in all.
void running_counts(const std::uint8_t* counts, long n, std::uint8_t* sums);
void running_counts(const std::uint16_t* counts, long n, std::uint16_t* sums);
void running_counts(const std::uint16_t* counts, long n, std::int32_t* sums);

/// counts[x] += (in[x] == c) - (out[x] == c). Whether that changed any.
bool slide_counts(std::uint8_t* counts, const std::uint8_t* in, const std::uint8_t* out, long n,
                  std::uint8_t c);
bool slide_counts(std::uint16_t* counts, const std::uint8_t* in, const std::uint8_t* out, long n,
                  std::uint8_t c);

void running_sums(const double* values, long n, double* sums);

/// columns[x] += sign * row[x].
void add_row(double* columns, const float* row, double sign, long n);

/// out[x] = (first[x + side] - first[x]) * share[x].
void window_means(const double* first, long side, const float* share, long n, float* out);

/// The most pixels of a window for window_entropies_by_table() on this machine; 0 = it has none.
int table_window_pixels();
constexpr int kTermTable = 32;  // at least that many + 1
/// For kWindows windows: sum_c term[pixels of class c]; `term`: kTermTable.
void window_entropies_by_table(const std::uint8_t* const* first_of_class, int classes, long side,
                               const float* term, float* out);

/// For kWindows windows: scale * sum_c d_c log2(d_c + 1e-6) with d_c = (first_c[x + side] - first_c[x]) *
/// share[x]. RIPU's code adds the epsilon.
void window_entropies(const std::uint8_t* const* first_of_class, int classes, long side, const float* share,
                      float scale, float* out);
void window_entropies(const std::uint16_t* const* first_of_class, int classes, long side, const float* share,
                      float scale, float* out);
void window_entropies(const std::int32_t* const* first_of_class, int classes, long side, const float* share,
                      float scale, float* out);

}  // namespace driftloop::adapt
