// What the tests of the config room share.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "config/load.h"

namespace ringmaster::config {

// The complaints about a file, one to a line; "" where it is taken.
inline std::string complaints(const LoadResult& result) {
  std::string text;
  if (result) return text;
  for (const Problem& problem : result.error()) text += (text.empty() ? "" : "\n") + problem.text;
  return text;
}

inline std::string complaints(std::string_view toml, std::vector<Flag> flags = {}) {
  return complaints(parse_text(toml, "a.toml", flags));
}

inline Settings parsed(std::string_view toml, std::vector<Flag> flags = {}) {
  const LoadResult result = parse_text(toml, "a.toml", flags);
  EXPECT_TRUE(result) << complaints(result);
  return result ? result->settings : Settings{};
}

inline std::string source_file(const std::string& name) {
  const char* root = std::getenv("SOURCE_ROOT");
  EXPECT_NE(root, nullptr) << "run by meson test, which sets SOURCE_ROOT";
  std::ifstream file(std::string(root ? root : ".") + "/" + name);
  EXPECT_TRUE(file) << name;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace ringmaster::config
