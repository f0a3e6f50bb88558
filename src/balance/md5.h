// MD5 (RFC 1321), for the md5 table only: it places virtual nodes and keys, it protects nothing.
//
// Written here rather than taken from a cryptographic library because a worker calls it for each request: that library
// allocates for each digest, takes several times as long, and refuses MD5 altogether on machines in FIPS mode. The
// tests hold it to RFC 1321's examples and to libcrypto.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace ringmaster::balance {

std::array<uint8_t, 16> md5(std::string_view bytes) noexcept;

}  // namespace ringmaster::balance
