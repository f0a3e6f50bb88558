#include "balance/md5.h"

#include <openssl/evp.h>

#include "balance/assignment.h"
#include "support.h"

namespace ringmaster::balance {
namespace {

std::string hex(const std::array<uint8_t, 16>& digest) {
  std::string text;
  for (const uint8_t byte : digest) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

TEST(Md5, GivesTheDigestsOfRfc1321) {   // section A.5
  EXPECT_EQ(hex(md5("")), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(hex(md5("a")), "0cc175b9c0f1b6a831c399e269772661");
  EXPECT_EQ(hex(md5("abc")), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(hex(md5("message digest")), "f96b697d7cb7938d525a2f31aaf161d0");
  EXPECT_EQ(hex(md5("abcdefghijklmnopqrstuvwxyz")), "c3fcd3d76192e4007dfb496cca67e13b");
  EXPECT_EQ(hex(md5("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")),
            "d174ab98d277d9f5a5611c2c9f419d9f");
  EXPECT_EQ(hex(md5("12345678901234567890123456789012345678901234567890123456789012345678901234567890")),
            "57edf4a22be3c955ac49da2e2107b67a");
}

TEST(Md5, AgreesWithLibcryptoAtEveryLength) {
  std::mt19937_64 random(1321);
  std::string bytes;
  for (size_t length = 0; length < 300; ++length) {
    std::array<uint8_t, 16> expected;
    ASSERT_EQ(EVP_Digest(bytes.data(), bytes.size(), expected.data(), nullptr, EVP_md5(), nullptr), 1);
    ASSERT_EQ(md5(bytes), expected) << length;
    bytes += static_cast<char>(random());
  }
}

TEST(Md5, NumberIsTheEndOfTheDigestRead) {
  EXPECT_EQ(md5_number("abc"), 0xd6963f7d28e17f72u);
}

}  // namespace
}  // namespace ringmaster::balance
