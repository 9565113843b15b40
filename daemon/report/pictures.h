// From arrays to the pictures of a report. All images are RGB, 8UC3.
#pragma once
#include <opencv2/core.hpp>
#include <string>
#include <vector>

#include "daemon/report/report.h"

namespace driftloop::daemon {

/// Codes `rgb` as JPEG (quality 85): camera frames and everything blended over them. Wider than 640 px is
/// scaled down, for a page is sent by mail.
Panel photo(const std::string& name, const cv::Mat& rgb);

/// Codes `rgb` as PNG, scaled without mixing pixels: class masks in flat colours.
Panel mask(const std::string& name, const cv::Mat& rgb);

/// The image dimmed, with `boxes` (px, clipped to the image) in full light and framed.
cv::Mat overlay_regions(const cv::Mat& rgb, const std::vector<cv::Rect>& boxes);

/// Class colours blended over the image; ignored pixels (255) show the image. `train_ids_hw` is 8UC1, of the
/// same size.
cv::Mat overlay_classes(const cv::Mat& rgb, const cv::Mat& train_ids_hw);

/// What people answered: the image grey and faded to white (many class colours are dark), labelled pixels in
/// the full colour of their class.
cv::Mat overlay_labels(const cv::Mat& rgb, const cv::Mat& train_ids_hw);

/// The image grey, pixels where `better` (8UC1, not 0) in green and where `worse` in orange.
cv::Mat overlay_change(const cv::Mat& rgb, const cv::Mat& better, const cv::Mat& worse);

/// The framed box in its neighbourhood: a part of the image, with its proportions and seven times as high as
/// the box (where there is so much of it), enlarged to some 640 px.
cv::Mat close_up(const cv::Mat& rgb, const cv::Rect& box);

/// A score map (32FC1 or 64FC1) from its lowest to its highest finite value in the colours of viridis;
/// pixels that are not finite are black.
cv::Mat colour_map(const cv::Mat& score_hw);

}  // namespace driftloop::daemon
