// Whatever a file contains, the answer is settings or complaints. Seeded: a failure says which seed, and comes again.

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "config/render.h"
#include "tests/config/support.h"

namespace ringmaster::config {
namespace {

class Mutator {
 public:
  explicit Mutator(uint32_t seed) : random_(seed) {}

  std::string mutate(std::string text) {
    for (size_t i = 1 + below(4); i > 0; --i) change(text);
    return text;
  }

 private:
  size_t below(size_t bound) { return std::uniform_int_distribution<size_t>(0, bound - 1)(random_); }

  void change(std::string& text) {
    static constexpr std::string_view pieces[] = {"\"",
                                                  "'''",
                                                  "[",
                                                  "]]",
                                                  "{",
                                                  "=",
                                                  ".",
                                                  "a.",
                                                  "\n",
                                                  "\\u0000",
                                                  "#",
                                                  ",",
                                                  "-1",
                                                  "1e9",
                                                  "true",
                                                  "[[replicas.static]]\n",
                                                  "99999999999999999999"};
    const size_t place = below(text.size() + 1);
    const size_t size = std::min(below(40), text.size() - place);
    switch (below(5)) {
      case 0: text.erase(place, size); break;
      case 1: text.insert(place, std::string(text.substr(below(text.size() + 1), 1 + below(200)))); break;
      case 2: text.insert(place, pieces[below(std::size(pieces))]); break;
      case 3:
        if (place < text.size()) text[place] = static_cast<char>(below(256));
        break;
      case 4: text.resize(place); break;
    }
  }

  std::mt19937 random_;
};

TEST(AnyFile, IsTakenOrRefusedWithReasons) {
  // Short, so that a change is likely to hit something; the example has all kinds of values.
  std::string base;
  std::stringstream lines(example_toml());
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with('#')) base += line + "\n";
  }
  base += "[[replicas.static]]\nname = \"r1\"\naddress = \"127.0.0.1:9001\"\nweight = 2\n";
  ASSERT_TRUE(parse_text(base, "a.toml"));
  size_t taken = 0, refused = 0;
  for (uint32_t seed = 1; seed <= 3000; ++seed) {
    const LoadResult result = parse_text(Mutator(seed).mutate(base), "a.toml");
    if (result) {
      ++taken;
      // What is taken can be said again.
      EXPECT_EQ(complaints(differences(*result)), "") << "seed " << seed;
      EXPECT_EQ(parsed(differences(*result)), result->settings) << "seed " << seed;
      continue;
    }
    ++refused;
    ASSERT_FALSE(result.error().empty()) << "seed " << seed;
    for (const Problem& problem : result.error()) {
      EXPECT_TRUE(problem.text.starts_with("a.toml:")) << "seed " << seed << ": " << problem.text;
      EXPECT_TRUE(std::ranges::none_of(problem.text, [](char c) { return static_cast<unsigned char>(c) < 0x20; }))
          << "seed " << seed;
    }
  }
  EXPECT_GT(taken, 60u);
  EXPECT_GT(refused, 1000u);
}

}  // namespace
}  // namespace ringmaster::config
