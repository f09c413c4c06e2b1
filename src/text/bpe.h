// Byte pair encoding with the merge order of HF `tokenizers`: lowest rank first, leftmost first within a rank.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "text/string_index.h"

namespace invar {

struct VocabEntry {
  std::string token;
  int32_t id;
};

struct BpeConfig {
  std::vector<VocabEntry> vocab;  // ids distinct, tokens distinct, well-formed UTF-8
  std::vector<std::pair<std::string, std::string>> merges;  // by rank
  std::optional<std::string> unk_token;  // for what the vocabulary cannot spell; else it is dropped
  bool fuse_unk = false;                 // one unk for a run of them
  bool byte_fallback = false;            // tokens <0x00>..<0xFF> before unk
  bool ignore_merges = false;            // a piece that is a token is that token
  bool byte_level = false;               // tokens are spelled in GPT-2's byte characters
};

// Working memory of an encoder; reused from piece to piece so that encoding allocates nothing per piece.
struct BpeScratch {
  struct Symbol {
    int32_t id, previous, next;  // indices, -1 at the ends
    bool alive;
  };
  struct Candidate {
    uint64_t order;  // rank << 32 | position
    int32_t merged;
  };
  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;
};

class Bpe {
 public:
  // Errors: a merge names a token that the vocabulary lacks.
  static Result<Bpe> build(const BpeConfig& config);

  // Appends the ids of one piece: raw bytes when byte_level, else well-formed UTF-8. The piece is not empty
  // and shorter than 2 GiB. O(n log n) in the piece. Errors: the text needs an unk token that the vocabulary
  // lacks.
  Status encode(std::string_view piece, BpeScratch& scratch, std::vector<int32_t>& ids) const;

 private:
  struct Merge {
    uint64_t pair = kNoPair;  // left id << 32 | right id
    uint32_t rank;
    int32_t merged;
  };
  static constexpr uint64_t kNoPair = ~uint64_t{0};

  Status add_merges(const BpeConfig& config);
  const Merge* find_merge(int32_t left, int32_t right) const;
  Status start_symbols(std::string_view piece, BpeScratch& scratch) const;
  bool add_byte_fallback(std::string_view character, BpeScratch& scratch) const;
  void push_candidate(int32_t left, int32_t right, BpeScratch& scratch) const;
  void merge_all(BpeScratch& scratch) const;

  StringIndex index_;            // token bytes (decoded when byte_level) -> id
  std::vector<Merge> merges_;    // open addressing, a power of two of slots
  std::vector<uint8_t> direct_;  // [greatest id + 1]: merging the token's own bytes gives the token alone
  int32_t byte_fallback_[256];   // id of <0xXX>, -1 without
  std::string unk_token_;
  int32_t unk_id_ = -1;
  bool has_unk_ = false;
  bool fuse_unk_ = false;
  bool use_byte_fallback_ = false;
  bool byte_level_ = false;
};

}  // namespace invar
