// Runs a fuzz target over its corpus where libFuzzer is not at hand: each file of the directories that are named, each
// beginning of it, and a few damaged copies that are the same in every run. No file at all is a failure.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

void run(const std::string& bytes) {
  // An allocation of just that size, so that the address sanitizer sees every look beyond.
  const std::unique_ptr<uint8_t[]> copy(new uint8_t[bytes.size()]);
  std::copy(bytes.begin(), bytes.end(), copy.get());
  LLVMFuzzerTestOneInput(copy.get(), bytes.size());
}

void replay(const std::string& bytes) {
  run(bytes);
  for (size_t size = 0; size < bytes.size() && size < 600; ++size) run(bytes.substr(0, size));
  std::mt19937 random(1);
  constexpr char interesting[] = {'\r', '\n', ' ', '\t', ':', ',', '0', '\0', '\x80', '_', ';', '/'};
  for (int i = 0; i < 200 && !bytes.empty(); ++i) {
    std::string damaged = bytes;
    const size_t place = random() % damaged.size();
    const char byte = interesting[random() % sizeof interesting];
    if (random() % 2 == 0) {
      damaged[place] = byte;
    } else {
      damaged.insert(place, 1, byte);
    }
    run(damaged);
  }
}

}  // namespace

int main(int count, char** arguments) {
  int files = 0;
  for (int i = 1; i < count; ++i) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(arguments[i])) {
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path(), std::ios::binary);
      replay({std::istreambuf_iterator<char>(file), {}});
      ++files;
    }
  }
  std::printf("%d files\n", files);
  return files > 0 ? 0 : 1;
}
