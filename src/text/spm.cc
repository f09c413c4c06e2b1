#include "text/spm.h"

#include <algorithm>
#include <cmath>

#include "text/utf8.h"

namespace invar {
namespace {

// The best candidate is the one of the highest score, then the leftmost.
bool worse(const SpmScratch::Candidate& a, const SpmScratch::Candidate& b) {
  return a.score < b.score || (a.score == b.score && a.left > b.left);
}

}  // namespace

Result<Spm> Spm::build(const std::vector<SpmPiece>& pieces) {
  Spm spm;
  std::fill(std::begin(spm.bytes_), std::end(spm.bytes_), -1);
  size_t bytes = 0;
  for (const SpmPiece& piece : pieces) bytes += piece.text.size();
  spm.index_.reserve(pieces.size(), bytes);
  for (size_t i = 0; i < pieces.size(); ++i) {
    const SpmPiece& piece = pieces[i];
    const auto id = static_cast<int32_t>(i);
    if (!std::isfinite(piece.score)) return error("the score of token {} is not finite", id);
    spm.scores_.push_back(piece.score);
    spm.types_.push_back(piece.type);
    switch (piece.type) {
      case PieceType::kUnknown: spm.unknown_ = id; break;
      case PieceType::kControl:
      case PieceType::kUnused: break;
      case PieceType::kByte:
        for (int b = 0; b < 256; ++b) {
          if (piece.text == fmt::format("<0x{:02X}>", b)) spm.bytes_[b] = id;
        }
        break;
      case PieceType::kUserDefined:
        if (piece.text.empty()) break;
        spm.user_defined_.insert({.content = piece.text, .id = id});
        [[fallthrough]];
      case PieceType::kNormal:
        if (!spm.index_.insert(piece.text, id)) {
          return error("token {} and token {} have the same text", spm.index_.find(piece.text), id);
        }
    }
  }
  for (int32_t id : spm.bytes_) spm.has_all_bytes_ &= id >= 0;
  if (!spm.has_all_bytes_ && spm.unknown_ < 0)
    return error("neither an unknown token nor tokens for all 256 bytes");
  return spm;
}

void Spm::start_symbols(std::string_view text, SpmScratch& scratch) const {
  scratch.symbols.clear();
  auto add = [&](size_t begin, size_t bytes, bool frozen) {
    const auto i = static_cast<int32_t>(scratch.symbols.size());
    scratch.symbols.push_back({begin, bytes, i - 1, i + 1, frozen});
  };
  for (const Segment& segment : user_defined_.find(text, true)) {
    if (segment.id >= 0) {
      add(segment.begin, segment.end - segment.begin, true);
      continue;
    }
    for (size_t at = segment.begin; at < segment.end;) {
      const size_t bytes = utf8_length(static_cast<unsigned char>(text[at]));
      add(at, bytes, false);
      at += bytes;
    }
  }
  if (!scratch.symbols.empty()) scratch.symbols.back().next = -1;
}

void Spm::push_candidate(std::string_view text, int32_t left, SpmScratch& scratch) const {
  if (left < 0) return;
  const SpmScratch::Symbol& a = scratch.symbols[left];
  if (a.next < 0) return;
  const SpmScratch::Symbol& b = scratch.symbols[a.next];
  if (a.frozen || b.frozen) return;
  const int32_t id = index_.find(text.substr(a.begin, a.bytes + b.bytes));
  if (id < 0) return;
  scratch.heap.push_back({scores_[static_cast<size_t>(id)], left, a.next, a.bytes + b.bytes});
  std::push_heap(scratch.heap.begin(), scratch.heap.end(), worse);
}

void Spm::merge_all(std::string_view text, SpmScratch& scratch) const {
  auto& symbols = scratch.symbols;
  scratch.heap.clear();
  for (int32_t i = 0; i + 1 < static_cast<int32_t>(symbols.size()); ++i) push_candidate(text, i, scratch);
  while (!scratch.heap.empty()) {
    std::pop_heap(scratch.heap.begin(), scratch.heap.end(), worse);
    const SpmScratch::Candidate top = scratch.heap.back();
    scratch.heap.pop_back();
    SpmScratch::Symbol& left = symbols[top.left];
    SpmScratch::Symbol& right = symbols[top.right];
    if (left.bytes == 0 || right.bytes == 0 || left.bytes + right.bytes != top.bytes)
      continue;  // out of date
    left.bytes = top.bytes;
    right.bytes = 0;
    left.next = right.next;
    if (right.next >= 0) symbols[right.next].previous = top.left;
    push_candidate(text, left.previous, scratch);
    push_candidate(text, top.left, scratch);
  }
}

void Spm::encode(std::string_view text, SpmScratch& scratch, std::vector<int32_t>& ids) const {
  INVAR_CHECK(text.size() < size_t{1} << 31, "{} bytes", text.size());
  start_symbols(text, scratch);
  merge_all(text, scratch);
  bool after_unknown = false;
  for (int32_t i = scratch.symbols.empty() ? -1 : 0; i >= 0; i = scratch.symbols[i].next) {
    const std::string_view piece = text.substr(scratch.symbols[i].begin, scratch.symbols[i].bytes);
    const int32_t id = index_.find(piece);
    const bool known = id >= 0;
    if (known) {
      ids.push_back(id);
    } else if (has_all_bytes_) {
      for (unsigned char b : piece) ids.push_back(bytes_[b]);
    } else if (!after_unknown) {
      ids.push_back(unknown_);
    }
    after_unknown = !known;
  }
}

}  // namespace invar
