#include "replica/websocket.h"

#include <gtest/gtest.h>

#include <string>

namespace ringmaster::replica {
namespace {

std::string masked(uint8_t first, std::string_view length, std::string_view mask = "abcd") {
  return std::string(1, static_cast<char>(first)) + std::string(length) + std::string(mask);
}

FrameStatus status_of(std::string_view bytes) {
  FrameHead head;
  return read_frame_head(bytes, head);
}

TEST(WebsocketTest, AcceptsTheKeyOfTheRfc) {
  EXPECT_EQ(websocket_accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");  // RFC 6455 section 1.3
  EXPECT_TRUE(is_websocket_key("dGhlIHNhbXBsZSBub25jZQ=="));
  EXPECT_FALSE(is_websocket_key("dGhlIHNhbXBsZSBub25jZQ="));
  EXPECT_FALSE(is_websocket_key("dGhlIHNhbXBsZSBub25j*Q=="));
  EXPECT_FALSE(is_websocket_key(""));
}

TEST(WebsocketTest, ReadsEveryFormOfLength) {
  FrameHead head;
  EXPECT_EQ(read_frame_head(masked(0x81, "\xFD"), head), FrameStatus::complete);
  EXPECT_EQ(head.length, 125u);
  EXPECT_EQ(head.bytes, 6);
  EXPECT_EQ(head.mask, (std::array<char, 4>{'a', 'b', 'c', 'd'}));
  EXPECT_EQ(read_frame_head(masked(0x02, std::string("\xFE\x00\x7E", 3)), head), FrameStatus::complete);
  EXPECT_EQ(head.length, 126u);
  EXPECT_FALSE(head.final);
  EXPECT_EQ(read_frame_head(masked(0x82, std::string("\xFF\0\0\0\0\0\1\0\0", 9)), head), FrameStatus::complete);
  EXPECT_EQ(head.length, 65536u);
  EXPECT_EQ(head.bytes, 14);
}

TEST(WebsocketTest, AsksForMoreUntilTheHeadIsWhole) {
  const std::string whole = masked(0x82, std::string("\xFF\0\0\0\0\0\1\0\0", 9));
  for (size_t i = 0; i < whole.size(); ++i) EXPECT_EQ(status_of(whole.substr(0, i)), FrameStatus::incomplete) << i;
}

TEST(WebsocketTest, RefusesWhatTheRfcForbids) {
  EXPECT_EQ(status_of(std::string("\x81\x05", 2)), FrameStatus::invalid) << "not masked";
  EXPECT_EQ(status_of(masked(0xC1, "\x81")), FrameStatus::invalid) << "reserved bit";
  EXPECT_EQ(status_of(masked(0x83, "\x81")), FrameStatus::invalid) << "unknown opcode";
  EXPECT_EQ(status_of(masked(0x09, "\x81")), FrameStatus::invalid) << "fragmented ping";
  EXPECT_EQ(status_of(masked(0x89, std::string("\xFE\x00\x7E", 3))), FrameStatus::invalid) << "long ping";
  EXPECT_EQ(status_of(masked(0x81, std::string("\xFE\x00\x7D", 3))), FrameStatus::invalid) << "not the shortest form";
  EXPECT_EQ(status_of(masked(0x81, std::string("\xFF\x80\0\0\0\0\0\0\0", 9))), FrameStatus::invalid) << "2^63";
}

TEST(WebsocketTest, UnmasksInPiecesAsInOne) {
  std::string one = "Hello, masked world";
  std::string pieces = one;
  unmask(one, {1, 2, 3, 4}, 0);
  unmask(std::span(pieces).first(7), {1, 2, 3, 4}, 0);
  unmask(std::span(pieces).subspan(7), {1, 2, 3, 4}, 7);
  EXPECT_EQ(one, pieces);
  EXPECT_NE(one, "Hello, masked world");
}

TEST(WebsocketTest, WritesTheShortestFormOfLength) {
  EXPECT_EQ(frame_head(Opcode::text, true, 5), "\x81\x05");
  EXPECT_EQ(frame_head(Opcode::binary, false, 126), std::string("\x02\x7E\x00\x7E", 4));
  EXPECT_EQ(frame_head(Opcode::binary, true, 65536), std::string("\x82\x7F\0\0\0\0\0\1\0\0", 10));
}

}  // namespace
}  // namespace ringmaster::replica
