// A file of a test's own, with the bytes that it is given; gone with this object.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>

namespace ringmaster {

class TempFile {
 public:
  explicit TempFile(std::string_view bytes) : path_(testing::TempDir() + "ringmaster_test_XXXXXX") {
    const int file = ::mkstemp(path_.data());
    EXPECT_GE(file, 0) << path_;
    if (file >= 0) ::close(file);
    write(bytes);
  }
  ~TempFile() { ::unlink(path_.c_str()); }
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;

  void write(std::string_view bytes) {
    std::ofstream file(path_, std::ios::binary | std::ios::trunc);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace ringmaster
