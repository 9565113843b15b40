// Over every entry of the source table: whoever adds a line is tested by it.
#include "capture/source_table.h"

#include <gtest/gtest.h>

#include "capture/gst_source.h"
#include "config/check.h"
#include "tests/capture/capture_support.h"

namespace driftloop::capture {
namespace {

SourceOptions example_of(const SourceEntry& entry) {
  SourceOptions options;
  options.uri = entry.example;
  return options;
}

class SourceTableTest : public testing::TestWithParam<std::size_t> {
 protected:
  const SourceEntry& entry() const { return source_table()[GetParam()]; }
};
INSTANTIATE_TEST_SUITE_P(All, SourceTableTest, testing::Range<std::size_t>(0, source_table().size()),
                         [](const auto& i) { return std::string(source_table()[i.param].name); });

TEST_P(SourceTableTest, IsFoundByItsExample) {
  EXPECT_EQ(&find_source(parse_uri(std::string(entry().example)).scheme), &entry());
  EXPECT_FALSE(entry().help.empty());
}

TEST_P(SourceTableTest, ItsPipelineEndsInTheSinkWithSizeAndRate) {
  if (!entry().head) GTEST_SKIP() << "has no single pipeline";
  SourceOptions options = example_of(entry());
  options.width = 640;
  options.height = 360;
  options.fps_limit = 2.5;
  for (const PipelineHost host : {PipelineHost::generic, PipelineHost::jetson}) {
    const std::string text = pipeline_text(options, host);
    EXPECT_NE(text.find("appsink name=frames"), std::string::npos) << text;
    EXPECT_NE(text.find("format=RGB,width=640,height=360"), std::string::npos) << text;
    EXPECT_NE(text.find("5/2"), std::string::npos) << text;
    // A camera must not wait for its reader; a file must.
    EXPECT_NE(text.find(entry().life == Life::live ? "drop=true" : "drop=false"), std::string::npos) << text;
  }
  EXPECT_NE(pipeline_text(options, PipelineHost::jetson).find("nvvidconv"), std::string::npos);
}

TEST_P(SourceTableTest, ItsTextParsesWhereTheElementsAreThere) {
  if (!entry().head) GTEST_SKIP() << "has no single pipeline";
  GstSourceOptions options;
  options.pipeline = pipeline_text(example_of(entry()));
  options.what = entry().example;
  try {
    GstSource source(options);
  } catch (const Error& error) {
    const std::string what = error.what();
    ASSERT_NE(what.find("is missing"), std::string::npos) << what;
    EXPECT_EQ(entry().name, "csi") << "on this machine only the Jetson's elements may be missing: " << what;
  }
}

TEST_P(SourceTableTest, HalfASizeAndForeignParametersAreRefused) {
  SourceOptions options = example_of(entry());
  options.width = 640;
  EXPECT_THROW(pipeline_text(options), Error);
  EXPECT_THROW(image_pipeline_text("a.png", options), Error);
  if (!parse_uri(options.uri).query.empty()) {
    options.width = 0;
    options.uri += "&nosuch=1";
    EXPECT_THROW(pipeline_text(options), Error);
  }
}

std::string text_of(const std::string& uri) {
  SourceOptions options;
  options.uri = uri;
  return pipeline_text(options);
}

TEST(PipelineTextTest, Csi) {
  EXPECT_EQ(text_of("csi://1?width=1920&height=1080&fps=60"),
            "nvarguscamerasrc sensor-id=1 ! video/x-raw(memory:NVMM),width=1920,height=1080,framerate=60/1"
            " ! nvvidconv ! video/x-raw,format=BGRx ! videoconvert ! video/x-raw,format=RGB"
            " ! appsink name=frames sync=false max-buffers=2 drop=true");
  EXPECT_THROW(text_of("csi://front"), Error);
  EXPECT_THROW(text_of("csi://0?fps=0"), Error);
  EXPECT_THROW(text_of("csi://0?fps=99999999999999999999"), Error);
}

TEST(PipelineTextTest, DevicesAndAddresses) {
  EXPECT_NE(text_of("v4l2://").find("device=\"/dev/video0\""), std::string::npos);
  EXPECT_NE(text_of("v4l2://video2").find("device=\"/dev/video2\""), std::string::npos);
  EXPECT_NE(text_of("v4l2:///dev/video1?width=640&fps=15").find("image/jpeg,width=640,framerate=15/1"),
            std::string::npos);
  EXPECT_NE(text_of("rtsp://u:p%40x@cam:554/a?b=c&d=e").find("location=\"rtsp://u:p%40x@cam:554/a?b=c&d=e\""),
            std::string::npos);
}

TEST(PipelineTextTest, PathsAreDecodedAndQuoted) {
  EXPECT_NE(text_of("file:///a%20b/c.mkv").find("location=\"/a b/c.mkv\""), std::string::npos);
  EXPECT_NE(text_of("file:///what?.mkv").find("location=\"/what?.mkv\""), std::string::npos);
  EXPECT_NE(text_of("file:///a\" ! fakesink name=\"x").find("location=\"/a\\\" ! fakesink name=\\\"x\""),
            std::string::npos);
  EXPECT_NE(text_of("file:///100%.mkv").find("/100%.mkv"), std::string::npos);
}

TEST(PipelineTextTest, WhatIsAPipelineAndWhatIsNot) {
  EXPECT_EQ(parse_uri("videotestsrc ! fakesink").scheme, "");
  EXPECT_EQ(parse_uri("rtspsrc location=rtsp://x/y ! decodebin").scheme, "");
  EXPECT_EQ(parse_uri("file:///a!b.mkv").scheme, "file");
  EXPECT_EQ(text_of("videotestsrc ! appsink name=frames"), "videotestsrc ! appsink name=frames");
  EXPECT_THROW(text_of("://x"), Error);
  EXPECT_THROW(text_of("images:///x"), Error);
  EXPECT_THROW(text_of("test://ball?frames"), Error);
  EXPECT_THROW(text_of("test://ball ! filesink location=x"), Error);
}

}  // namespace
}  // namespace driftloop::capture
