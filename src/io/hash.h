// SHA-256 (FIPS 180-4), by OpenSSL.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace invar {

using Sha256Digest = std::array<uint8_t, 32>;

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  Sha256& add(std::span<const std::byte> bytes);
  Sha256& add(std::string_view text);
  Sha256& add_u64(uint64_t value);  // 8 bytes, little endian
  Sha256Digest digest();            // once, at the end

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string hex(std::span<const uint8_t> bytes);  // lower case
std::string sha256_hex(std::span<const std::byte> bytes);

}  // namespace invar
