// Whatever our decoder accepts, llhttp accepts, with the same payload and the same end: bodies from a seeded generator
// that writes mostly well-formed chunks and then damages some bytes.
#include <gtest/gtest.h>

#include <random>

#include "chunked_reader.h"

namespace ringmaster::http {
namespace {

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  std::string body() {
    std::string text;
    for (uint64_t chunks = below(4); chunks > 0; --chunks) text += chunk(1 + below(20));
    text += std::string(1 + below(3), '0') + extension() + "\r\n";
    for (uint64_t trailers = below(3); trailers > 0; --trailers) text += trailer();
    text += "\r\n";
    if (below(3) == 0) text += "GET / HTTP/1.1\r\n";
    for (uint64_t damages = below(3); damages > 0; --damages) damage(text);
    return text;
  }

 private:
  uint64_t below(uint64_t bound) { return random_() % bound; }
  template <class... Texts>
  std::string one_of(Texts... texts) {
    const std::string choices[] = {texts...};
    return choices[below(sizeof...(texts))];
  }
  std::string bytes(uint64_t count) {
    std::string text;
    while (count-- > 0) text += one_of("a", "\r", "\n", "0", ";", "\x80", "\t", " ");
    return text;
  }
  std::string chunk(uint64_t size) {
    char digits[32];
    snprintf(digits, sizeof digits, one_of("%lx", "%lX", "%04lx").c_str(), size);
    return digits + extension() + "\r\n" + bytes(size) + "\r\n";
  }
  std::string extension() {
    return one_of("", "", ";a", ";a=b", ";a=\"b\"", ";a=\"b;\\\"c\"", ";a;b;c=d", ";a=\"\"",
                  ";a=\"\x80 \t\"", ";a=b;c");
  }
  std::string trailer() {
    return one_of("A: b\r\n", "Host: x\r\n", "X-Y:\r\n", "Connection: close\r\n", "Upgrade: x\r\n",
                  "Content-Length: 1\r\n", "Transfer-Encoding: chunked\r\n", "Content-Lengthy: 1\r\n",
                  "Proxy-Connection: keep-alive\r\n", "a:  b\t\r\n", "Transfer: \x80\r\n", "t: u\r\n", "c: d\r\n");
  }
  void damage(std::string& text) {
    const size_t place = below(text.size());
    switch (below(4)) {
      case 0: text.erase(place, 1); break;
      case 1: text.insert(place, one_of("\r", "\n", " ", ";", "0", "\"", "=", "\\", ":", "\t", "-", "a")); break;
      case 2: text[place] = static_cast<char>(below(256)); break;
      default: text.resize(place + 1); break;
    }
  }

  std::mt19937_64 random_;
};

TEST(ChunkedDecoder, AcceptsNothingThatLlhttpRefusesOrReadsDifferently) {
  constexpr uint64_t seeds = 40000;
  uint64_t finished = 0, refused = 0;
  for (uint64_t seed = 0; seed < seeds; ++seed) {
    const std::string body = Generator(seed).body();
    const ChunkedReading ours = read_chunked(body, body.size());
    EXPECT_EQ(read_chunked(body, 1 + seed % 7), ours) << "seed " << seed;
    finished += ours.finished;
    refused += ours.refused;
    if (ours.refused) continue;
    const ChunkedReading theirs = read_chunked_with_llhttp(body);
    ASSERT_EQ(theirs.refused, false) << "seed " << seed << ": " << testing::PrintToString(body);
    ASSERT_EQ(theirs.finished, ours.finished) << "seed " << seed << ": " << testing::PrintToString(body);
    ASSERT_EQ(theirs.payload, ours.payload) << "seed " << seed << ": " << testing::PrintToString(body);
    if (ours.finished) {
      ASSERT_EQ(theirs.consumed, ours.consumed) << "seed " << seed << ": " << testing::PrintToString(body);
    }
  }
  EXPECT_GT(finished, seeds / 5) << "the generator no longer writes enough good bodies";
  EXPECT_GT(refused, seeds / 5) << "the generator no longer writes enough bad bodies";
}

}  // namespace
}  // namespace ringmaster::http
