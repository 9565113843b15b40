#include "uplink/region.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "config/check.h"
#include "tests/uplink/link_fixture.h"

namespace driftloop::uplink {
namespace {

LabelReply make_reply() {
  LabelReply reply;
  reply.request_digest = digest_of("a request");
  reply.outcome = LabelReply::Outcome::labelled;
  reply.mask_png = std::string(300, 'm');
  reply.labeller = "oracle";
  reply.labelled_ns = 77;
  return reply;
}

TEST(DigestTest, AgreesWithPublishedVectors) {
  EXPECT_EQ(digest_of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(crc32_of("123456789"), 0xCBF43926u);
  EXPECT_EQ(hex_digest(raw_digest(digest_of("abc"))), digest_of("abc"));
  EXPECT_FALSE(hex_digest("short"));
}

TEST(RegionTest, ComesBackAsItWas) {
  RegionRequest r = test::make_request(5);
  r.prediction_png = "png";
  r.round = 3;
  const auto decoded = decode_region(encode(r));
  ASSERT_TRUE(decoded) << decoded.problem;
  EXPECT_EQ(encode(*decoded.value), encode(r));
  EXPECT_EQ(decoded.value->box, r.box);
  EXPECT_EQ(decoded.value->crop_image, r.crop_image);
  EXPECT_EQ(decoded.value->captured_ns, r.captured_ns);
}

TEST(LabelReplyTest, ComesBackAsItWas) {
  const auto decoded = decode_label(encode(make_reply()));
  ASSERT_TRUE(decoded) << decoded.problem;
  EXPECT_EQ(decoded.value->mask_png, make_reply().mask_png);
  EXPECT_EQ(decoded.value->request_digest, make_reply().request_digest);
  EXPECT_EQ(encode(*decoded.value), encode(make_reply()));
}

TEST(RegionTest, EveryLimitHasItsOwnMessage) {
  const auto refused = [](auto change) {
    RegionRequest r = test::make_request(1);
    change(r);
    EXPECT_THROW((void)encode(r), CheckError);
    return problem_of(r);
  };
  EXPECT_NE(refused([](auto& r) { r.frame_name = "../../etc/passwd"; }).find("frame name"),
            std::string::npos);
  EXPECT_NE(refused([](auto& r) { r.frame_name = "/etc/passwd"; }).find("frame name"), std::string::npos);
  EXPECT_NE(refused([](auto& r) { r.vehicle_id = ""; }).find("vehicle id"), std::string::npos);
  EXPECT_NE(refused([](auto& r) { r.vehicle_id = "a/b"; }).find("vehicle id"), std::string::npos);
  EXPECT_NE(refused([](auto& r) { r.box.width = 1'000'000; }).find("box"), std::string::npos);
  EXPECT_NE(refused([](auto& r) { r.box.x = -1; }).find("box"), std::string::npos);
  EXPECT_NE(refused([](auto& r) { r.crop.x = 2147483647; }).find("crop"), std::string::npos);
  EXPECT_NE(refused([](auto& r) { r.crop_image.clear(); }).find("crop image"), std::string::npos);
  EXPECT_NE(refused([](auto& r) { r.crop_image.resize(kMaxRegionBytes); }).find("4 MiB"), std::string::npos);
  EXPECT_NE(refused([](auto& r) { r.score = std::nan(""); }).find("score"), std::string::npos);
  EXPECT_NE(refused([](auto& r) { r.frame_width = 0; }).find("frame size"), std::string::npos);
}

template <class Decode>
void mutate_and_decode(const std::string& good, Decode decode) {
  std::mt19937 random(7);
  int accepted = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = good;
    switch (random() % 4) {
      case 0:
        bytes.resize(random() % (bytes.size() + 1));
        break;
      case 1:
        bytes.insert(random() % bytes.size(), std::string(random() % 9, static_cast<char>(random())));
        break;
      case 2:
        bytes.erase(random() % bytes.size(), random() % 9);
        break;
      default:
        break;
    }
    for (unsigned flips = random() % 8; flips > 0 && !bytes.empty(); --flips)
      bytes[random() % std::min<std::size_t>(bytes.size(), 160)] ^= static_cast<char>(1u << random() % 8);
    const auto decoded = decode(bytes);
    // Whatever is accepted is within every limit, and can be sent on.
    if (decoded) {
      ++accepted;
      EXPECT_EQ(problem_of(*decoded.value), "");
    } else {
      EXPECT_FALSE(decoded.problem.empty());
    }
  }
  EXPECT_GT(accepted, 0);
  EXPECT_LT(accepted, 20'000);
}

TEST(RegionTest, MutatedBytesAreAValueOrAReasonNeverACrash) {
  mutate_and_decode(encode(test::make_request(1, 100)), decode_region);
}
TEST(LabelReplyTest, MutatedBytesAreAValueOrAReasonNeverACrash) {
  mutate_and_decode(encode(make_reply()), decode_label);
}

}  // namespace
}  // namespace driftloop::uplink
