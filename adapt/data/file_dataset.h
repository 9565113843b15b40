// Images and label PNGs in the folders of a published data set, or of one's own.
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "adapt/data/dataset.h"
#include "adapt/data/layout.h"

namespace driftloop::adapt {

/// What the text behind a kind chooses: "ROOT?list=FILE&group=night&skip=10&first=100&sample=30&seed=1", each
/// after the one before it.
///   list    a published split list: only the images that a line of the file names
///   group   only those of these cities or sequences (a,b,c; of a/b also by a alone)
///   skip, first   in the order of their ids
///   sample, seed  so many drawn at random; the same on every machine
/// Sorted by id; labels may be missing. Throws Error: a folder or list is missing, the split or an option is
/// not known, a listed image is not there, nothing is left.
std::vector<LabelledFile> chosen_files(std::string_view kind, const Layout& layout,
                                       const std::string& argument, const std::string& split);

/// 8UC1 trainIds. Throws Error naming the file when it cannot be read or holds a value that its ids do not
/// know.
cv::Mat read_label(const LabelledFile& file);

std::unique_ptr<Dataset> open_files(std::vector<LabelledFile> files);
/// Throws Error when an image has no label file.
void require_labels(const std::vector<LabelledFile>& files);

}  // namespace driftloop::adapt
