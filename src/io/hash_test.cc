#include "io/hash.h"

#include <gtest/gtest.h>

namespace invar {
namespace {

std::string digest_of(std::string_view text) { return hex(Sha256().add(text).digest()); }

// FIPS 180-4 examples, NIST CSRC.
TEST(Sha256, StandardVectorsMatch) {
  EXPECT_EQ(digest_of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(digest_of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(digest_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(digest_of(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, PiecesGiveTheDigestOfTheWhole) {
  const std::string text = "the quick brown fox";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(hex(Sha256().add(text.substr(0, cut)).add(text.substr(cut)).digest()), digest_of(text));
  }
  EXPECT_EQ(hex(Sha256().add_u64(0x0807060504030201).digest()), digest_of("\1\2\3\4\5\6\7\10"));
  EXPECT_EQ(sha256_hex(std::as_bytes(std::span(text))), digest_of(text));
}

}  // namespace
}  // namespace invar
