#include "adapt/data/label_file.h"

#include <png.h>

#include <csetjmp>
#include <cstring>
#include <opencv2/core.hpp>
#include <string>
#include <vector>

#include "config/check.h"
#include "config/durable_file.h"

namespace driftloop::adapt {
namespace {

constexpr png_uint_32 kMaxSidePx = 1U << 15;
constexpr std::size_t kMaxBytes = std::size_t{1} << 30;  // of the decoded file

struct Head {
  png_uint_32 width = 0, height = 0;
  int bits = 0;
  int channels = 0;
  bool colours = false;
  std::size_t row_bytes = 0;
};

extern "C" {
void take_bytes(png_structp png, png_bytep to, std::size_t count) {
  auto* left = static_cast<std::string_view*>(png_get_io_ptr(png));
  if (count > left->size()) png_error(png, "the file ends too early");
  std::memcpy(to, left->data(), count);
  left->remove_prefix(count);
}
void note_error(png_structp png, png_const_charp text) {
  *static_cast<std::string*>(png_get_error_ptr(png)) = text;
  png_longjmp(png, 1);
}
void note_warning(png_structp, png_const_charp) {}
}

// libpng leaves these two by longjmp: nothing in them has a destructor.
bool read_head(png_structp png, png_infop info, Head& head) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_read_info(png, info);
  head.width = png_get_image_width(png, info);
  head.height = png_get_image_height(png, info);
  head.bits = png_get_bit_depth(png, info);
  head.channels = png_get_channels(png, info);
  const int type = png_get_color_type(png, info);
  head.colours = type != PNG_COLOR_TYPE_PALETTE && (type & PNG_COLOR_MASK_COLOR) != 0;
  png_set_packing(png);  // one byte for each value of 1, 2 or 4 bits, as it is
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  head.row_bytes = png_get_rowbytes(png, info);
  return true;
}

bool read_rows(png_structp png, png_bytepp rows) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_read_image(png, rows);
  png_read_end(png, nullptr);
  return true;
}

/// One file in reading.
class PngReader {
 public:
  explicit PngReader(std::string_view data) : left_(data) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &error_, note_error, note_warning);
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      throw std::bad_alloc();
    }
    png_set_read_fn(png_, &left_, take_bytes);
    png_set_user_limits(png_, kMaxSidePx, kMaxSidePx);
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  bool head(Head& head) { return read_head(png_, info_, head); }
  bool rows(std::vector<png_bytep>& rows) { return read_rows(png_, rows.data()); }
  const std::string& error() const { return error_; }

 private:
  std::string error_;
  std::string_view left_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

/// The first channel; the largest value in `largest`.
cv::Mat first_channel(const Head& head, const std::vector<png_bytep>& rows, int& largest) {
  const int bytes = head.bits == 16 ? 2 : 1, step = bytes * head.channels;
  cv::Mat ids(static_cast<int>(head.height), static_cast<int>(head.width), CV_8UC1);
  largest = 0;
  for (int y = 0; y < ids.rows; ++y) {
    const png_byte* from = rows[static_cast<std::size_t>(y)];
    auto* to = ids.ptr<std::uint8_t>(y);
    for (int x = 0; x < ids.cols; ++x, from += step) {
      const int value = bytes == 2 ? from[0] << 8 | from[1] : from[0];
      largest = std::max(largest, value);
      to[x] = static_cast<std::uint8_t>(value);
    }
  }
  return ids;
}

}  // namespace

cv::Mat read_label_ids(const std::filesystem::path& file) {
  const std::string data = config::read_file(file);
  PngReader reader(data);
  const auto unreadable = [&] {
    return Error(file.string() + " is not a readable label image (" + reader.error() +
                 "); remove it with its picture or write it again");
  };
  Head head;
  if (!reader.head(head)) throw unreadable();
  if (head.colours && head.bits != 16)
    throw Error(file.string() + " must have one byte per pixel (class ids), not colours");
  if (head.row_bytes * head.height > kMaxBytes)
    throw Error(file.string() + " is a label of " + std::to_string(head.width) + 'x' +
                std::to_string(head.height) + " pixels, too large to be one");
  std::vector<png_byte> pixels(head.row_bytes * head.height);
  std::vector<png_bytep> rows(head.height);
  for (std::size_t y = 0; y < rows.size(); ++y) rows[y] = pixels.data() + y * head.row_bytes;
  if (!reader.rows(rows)) throw unreadable();
  int largest = 0;
  cv::Mat ids = first_channel(head, rows, largest);
  if (largest > 255)
    throw Error(file.string() + " holds the value " + std::to_string(largest) +
                ", more than any class id; are these instances?");
  return ids;
}

}  // namespace driftloop::adapt
