#include "io/hash.h"

#include <openssl/evp.h>

#include <new>

#include "base/check.h"

namespace invar {

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  // SHA-256 is always there: what can be missing is memory.
  if (state_->context == nullptr || EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) != 1)
    throw std::bad_alloc();
}

Sha256::Sha256(Sha256&&) noexcept = default;
Sha256::~Sha256() = default;

Sha256& Sha256::add(std::span<const std::byte> bytes) {
  INVAR_CHECK(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1, "{} bytes", bytes.size());
  return *this;
}

Sha256& Sha256::add(std::string_view text) {
  return add(std::as_bytes(std::span<const char>(text.data(), text.size())));
}

Sha256& Sha256::add_u64(uint64_t value) {
  std::byte bytes[8];
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<std::byte>(value >> (8 * i));
  return add(bytes);
}

Sha256Digest Sha256::digest() {
  Sha256Digest out;
  unsigned int size = 0;
  INVAR_CHECK(EVP_DigestFinal_ex(state_->context, out.data(), &size) == 1 && size == out.size(), "size = {}",
              size);
  return out;
}

std::string hex(std::span<const uint8_t> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const uint8_t byte : bytes) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

std::string sha256_hex(std::span<const std::byte> bytes) { return hex(Sha256().add(bytes).digest()); }

}  // namespace invar
