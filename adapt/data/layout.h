// How a published data set lies on disk: its images, the label file of each, and how that numbers the
// classes. Add one: a file beside this with its Layout, a line here and one in dataset_table.cpp.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace driftloop::adapt {

struct LabelledFile {
  std::string id;  // distinct within the data set
  /// The city or sequence, "" = none; a '/' parts a larger group from those in it (night/GOPR0351).
  std::string group;
  std::filesystem::path image;
  std::filesystem::path label;  // where it is expected; it may be missing
  std::string_view id_table;    // config::id_table() of the label file
};

struct Layout {
  std::string_view shape;                // what the folder looks like, for messages
  std::vector<std::string_view> splits;  // the default first; none = a folder of any name
  /// The images of a split, in any order, their labels there or not. Other files are passed over. Throws
  /// Error when a folder is missing.
  std::vector<LabelledFile> (*list)(const std::filesystem::path& root, const std::string& split);
  /// The image that a line of a published split list stands for; "" = it is another data set's.
  std::string (*id_of_line)(std::string_view line);
};

const Layout& acdc_layout();
const Layout& bdd100k_layout();
const Layout& camvid_layout();
const Layout& cityscapes_layout();
const Layout& folder_layout();
const Layout& gtav_layout();
const Layout& mapillary_layout();
const Layout& synthia_layout();

/// Pictures (*.png, *.jpg, *.jpeg) right in `folder`, by name; hidden files are passed over. Throws Error
/// when it is missing.
std::vector<std::filesystem::path> pictures_in(const std::filesystem::path& folder);
/// Folders right in `folder`, by name. Throws Error when it is missing.
std::vector<std::filesystem::path> folders_in(const std::filesystem::path& folder);
/// `images`, each with the PNG of the same stem in `labels`; `group` from the stem.
std::vector<LabelledFile> same_stems(const std::filesystem::path& images, const std::filesystem::path& labels,
                                     std::string_view id_table,
                                     std::string (*group)(const std::string& stem));

/// Sets the label of a file as Cityscapes names them: BEGINNINGTrainIds.png, which its scripts make, or
/// BEGINNINGIds.png, which the download holds.
void set_cityscapes_label(LabelledFile& file, const std::filesystem::path& beginning);

/// What stands before the last '_': the sequence in CamVid (sequence_frame).
std::string before_last_underscore(const std::string& stem);
std::string no_group(const std::string& stem);

/// The stem of the path that a line begins with.
std::string stem_of_line(std::string_view line);
/// `text` without `suffix` at its end; "" when it ends in something else.
std::string without_suffix(const std::string& text, std::string_view suffix);
/// Of the released lists of STAL, which have the source's images as those of a city,
/// leftImg8bit/train/CITY/CITY_NUMBER_000019_leftImg8bit.png: the number of `city`, "" for another one's;
/// of a line of any other form the stem.
std::string number_in_city(std::string_view line, std::string_view city);

}  // namespace driftloop::adapt
