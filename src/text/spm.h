// SentencePiece BPE as GGUF files carry it: pieces with scores, merged best score first, leftmost first
// within a score.
//
// Source: sentencepiece's bpe_model.cc; the same rule is llama.cpp's "SPM" tokenizer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/added_tokens.h"
#include "text/string_index.h"

namespace invar {

// The numbers are GGUF's tokenizer.ggml.token_type and sentencepiece's own.
enum class PieceType : uint8_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6
};

struct SpmPiece {
  std::string text;
  float score;
  PieceType type;
};

// Working memory, reused from text to text.
struct SpmScratch {
  struct Symbol {
    size_t begin, bytes;  // bytes 0: merged away
    int32_t previous, next;
    bool frozen;  // a user-defined piece: never merged
  };
  struct Candidate {
    float score;
    int32_t left, right;
    size_t bytes;  // of the pair when it was proposed
  };
  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;
};

class Spm {
 public:
  // pieces[i] is the piece of id i. Errors: a score that is not finite; two merging pieces of one text; no
  // unknown piece and not all 256 byte pieces, so that some texts could not be encoded.
  static Result<Spm> build(const std::vector<SpmPiece>& pieces);

  // Appends the ids of `text`: well-formed UTF-8, spaces already written as U+2581, shorter than 2 GiB. What
  // no piece spells becomes byte pieces, or one unknown for a run of it. O(n log n). Unused pieces are never
  // produced, nor merged through on the way to longer ones.
  void encode(std::string_view text, SpmScratch& scratch, std::vector<int32_t>& ids) const;

 private:
  void start_symbols(std::string_view text, SpmScratch& scratch) const;
  void push_candidate(std::string_view text, int32_t left, SpmScratch& scratch) const;
  void merge_all(std::string_view text, SpmScratch& scratch) const;

  StringIndex index_;          // normal and user-defined pieces
  AddedTokens user_defined_;   // cut out first, longest first
  std::vector<float> scores_;  // [pieces]
  std::vector<PieceType> types_;
  int32_t bytes_[256];  // ids of the byte pieces, -1 without
  bool has_all_bytes_ = true;
  int32_t unknown_ = -1;
};

}  // namespace invar
