#include "adapt/data/layout.h"

#include <algorithm>
#include <cctype>

#include "config/check.h"

namespace driftloop::adapt {
namespace fs = std::filesystem;
namespace {

template <class Keep>
std::vector<fs::path> entries_of(const fs::path& folder, const char* what, const Keep& keep) {
  if (!fs::is_directory(folder)) throw Error(std::string("no folder of ") + what + " at " + folder.string());
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder))
    if (!entry.path().filename().string().starts_with('.') && keep(entry)) found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

std::vector<fs::path> pictures_in(const fs::path& folder) {
  return entries_of(folder, "images", [](const fs::directory_entry& entry) {
    std::string extension = entry.path().extension().string();
    for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return (extension == ".png" || extension == ".jpg" || extension == ".jpeg") && entry.is_regular_file();
  });
}

std::vector<fs::path> folders_in(const fs::path& folder) {
  return entries_of(folder, "images", [](const fs::directory_entry& entry) { return entry.is_directory(); });
}

std::vector<LabelledFile> same_stems(const fs::path& images, const fs::path& labels,
                                     std::string_view id_table, std::string (*group)(const std::string&)) {
  std::vector<LabelledFile> files;
  for (const auto& image : pictures_in(images)) {
    const std::string stem = image.stem().string();
    files.push_back({stem, group(stem), image, labels / (stem + ".png"), id_table});
  }
  return files;
}

void set_cityscapes_label(LabelledFile& file, const fs::path& beginning) {
  file.label = beginning.string() + "TrainIds.png";
  file.id_table = "trainids";
  if (fs::is_regular_file(file.label)) return;
  file.label = beginning.string() + "Ids.png";
  file.id_table = "cityscapes";
}

std::string before_last_underscore(const std::string& stem) {
  const auto underscore = stem.rfind('_');
  return underscore == std::string::npos ? std::string() : stem.substr(0, underscore);
}

std::string no_group(const std::string&) {
  return {};
}

std::string stem_of_line(std::string_view line) {
  return fs::path(line.substr(0, line.find_first_of(" \t"))).stem().string();
}

std::string without_suffix(const std::string& text, std::string_view suffix) {
  return text.ends_with(suffix) ? text.substr(0, text.size() - suffix.size()) : std::string();
}

std::string number_in_city(std::string_view line, std::string_view city) {
  const std::string stem = stem_of_line(line);
  const std::string name = without_suffix(stem, "_leftImg8bit");
  if (name.empty()) return stem;
  if (!name.starts_with(std::string(city) + '_')) return {};
  return name.substr(city.size() + 1, name.rfind('_') - city.size() - 1);
}

}  // namespace driftloop::adapt
