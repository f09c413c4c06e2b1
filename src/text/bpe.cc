#include "text/bpe.h"

#include <algorithm>

#include "text/byte_level.h"
#include "text/utf8.h"

namespace invar {
namespace {

void push_symbol(int32_t id, BpeScratch& scratch) {
  const auto at = static_cast<int32_t>(scratch.symbols.size());
  if (at) scratch.symbols.back().next = at;
  scratch.symbols.push_back({id, at - 1, -1, true});
}

uint64_t pair_key(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

bool later(const BpeScratch::Candidate& a, const BpeScratch::Candidate& b) { return a.order > b.order; }

}  // namespace

Result<Bpe> Bpe::build(const BpeConfig& config) {
  Bpe bpe;
  bpe.fuse_unk_ = config.fuse_unk;
  bpe.use_byte_fallback_ = config.byte_fallback;
  bpe.byte_level_ = config.byte_level;
  size_t bytes = 0;
  int32_t id_max = -1;
  for (const VocabEntry& entry : config.vocab) {
    bytes += entry.token.size();
    id_max = std::max(id_max, entry.id);
  }
  bpe.index_.reserve(config.vocab.size(), bytes);
  std::fill(std::begin(bpe.byte_fallback_), std::end(bpe.byte_fallback_), -1);
  for (const VocabEntry& entry : config.vocab) {
    for (int b = 0; config.byte_fallback && entry.token.size() == 6 && b < 256; ++b) {
      if (entry.token == fmt::format("<0x{:02X}>", b)) bpe.byte_fallback_[b] = entry.id;
    }
    if (config.unk_token && entry.token == *config.unk_token) bpe.unk_id_ = entry.id;
    if (!config.byte_level) {
      bpe.index_.insert(entry.token, entry.id);
    } else if (const auto decoded = byte_level_decode(entry.token)) {
      bpe.index_.insert(*decoded,
                        entry.id);  // a token with other characters can never be met in byte-level text
    }
  }
  bpe.has_unk_ = config.unk_token.has_value();
  bpe.unk_token_ = config.unk_token.value_or("");
  INVAR_RETURN_IF_ERROR(bpe.add_merges(config));
  // Most pieces of real text are one token. Knowing beforehand which tokens their own bytes merge to replaces
  // the merge loop by one look-up for them.
  bpe.direct_.assign(static_cast<size_t>(id_max + 1), config.ignore_merges);
  BpeScratch scratch;
  std::vector<int32_t> ids;
  for (const VocabEntry& entry : config.vocab) {
    if (config.ignore_merges || entry.token.empty()) continue;
    const auto decoded = config.byte_level ? byte_level_decode(entry.token) : entry.token;
    ids.clear();
    if (!decoded || !bpe.encode(*decoded, scratch, ids).ok()) continue;
    bpe.direct_[static_cast<size_t>(entry.id)] = ids.size() == 1 && ids[0] == entry.id;
  }
  return bpe;
}

Status Bpe::add_merges(const BpeConfig& config) {
  StringIndex ids;
  size_t bytes = 0;
  for (const VocabEntry& entry : config.vocab) bytes += entry.token.size();
  ids.reserve(config.vocab.size(), bytes);
  for (const VocabEntry& entry : config.vocab) ids.insert(entry.token, entry.id);
  size_t slots = 16;
  while (slots < 2 * config.merges.size()) slots *= 2;
  merges_.assign(slots, Merge{});
  for (size_t rank = 0; rank < config.merges.size(); ++rank) {
    const auto& [left, right] = config.merges[rank];
    const int32_t left_id = ids.find(left), right_id = ids.find(right), merged = ids.find(left + right);
    if (left_id < 0 || right_id < 0 || merged < 0) {
      return error("merge {} ({:?} + {:?}) needs the token {:?}, which is not in the vocabulary", rank, left,
                   right,
                   left_id < 0    ? left
                   : right_id < 0 ? right
                                  : left + right);
    }
    const uint64_t key = pair_key(left_id, right_id);
    size_t at = mix_hash(key) & (slots - 1);
    while (merges_[at].pair != kNoPair && merges_[at].pair != key) at = (at + 1) & (slots - 1);
    merges_[at] = {key, static_cast<uint32_t>(rank), merged};  // of a pair listed twice the last one counts
  }
  return Ok{};
}

const Bpe::Merge* Bpe::find_merge(int32_t left, int32_t right) const {
  const uint64_t key = pair_key(left, right);
  for (size_t at = mix_hash(key) & (merges_.size() - 1);; at = (at + 1) & (merges_.size() - 1)) {
    if (merges_[at].pair == key) return &merges_[at];
    if (merges_[at].pair == kNoPair) return nullptr;
  }
}

bool Bpe::add_byte_fallback(std::string_view character, BpeScratch& scratch) const {
  for (unsigned char b : character) {
    if (byte_fallback_[b] < 0) return false;
  }
  for (unsigned char b : character) push_symbol(byte_fallback_[b], scratch);
  return true;
}

Status Bpe::start_symbols(std::string_view piece, BpeScratch& scratch) const {
  scratch.symbols.clear();
  bool pending_unk = false;
  std::string spelled;
  for (size_t at = 0; at < piece.size();) {
    const size_t length = byte_level_ ? 1 : utf8_length(static_cast<unsigned char>(piece[at]));
    std::string_view character = piece.substr(at, length);
    at += length;
    if (const int32_t id = index_.find(character); id >= 0) {
      if (pending_unk) push_symbol(unk_id_, scratch);
      pending_unk = false;
      push_symbol(id, scratch);
      continue;
    }
    if (byte_level_) {  // the fallback sees the character that spells the byte
      spelled.clear();
      append_utf8(spelled, byte_level_char(static_cast<unsigned char>(character[0])));
      character = spelled;
    }
    // As in `tokenizers`, an unk that waits to be fused comes after byte tokens that follow it.
    if (use_byte_fallback_ && add_byte_fallback(character, scratch)) continue;
    if (!has_unk_) continue;
    if (unk_id_ < 0) {
      return error(
          "the text has {:?}, which the vocabulary cannot spell, and the unk token {:?} is not in it",
          character, unk_token_);
    }
    if (pending_unk && !fuse_unk_) push_symbol(unk_id_, scratch);
    pending_unk = true;
  }
  if (pending_unk) push_symbol(unk_id_, scratch);
  return Ok{};
}

void Bpe::push_candidate(int32_t left, int32_t right, BpeScratch& scratch) const {
  const Merge* merge = find_merge(scratch.symbols[left].id, scratch.symbols[right].id);
  if (!merge) return;
  scratch.heap.push_back(
      {static_cast<uint64_t>(merge->rank) << 32 | static_cast<uint32_t>(left), merge->merged});
  std::push_heap(scratch.heap.begin(), scratch.heap.end(), later);
}

void Bpe::merge_all(BpeScratch& scratch) const {
  auto& symbols = scratch.symbols;
  scratch.heap.clear();
  for (int32_t i = 0; i + 1 < static_cast<int32_t>(symbols.size()); ++i) push_candidate(i, i + 1, scratch);
  while (!scratch.heap.empty()) {
    std::pop_heap(scratch.heap.begin(), scratch.heap.end(), later);
    const BpeScratch::Candidate top = scratch.heap.back();
    scratch.heap.pop_back();
    const auto at = static_cast<int32_t>(top.order & 0xFFFFFFFFu);
    BpeScratch::Symbol& left = symbols[at];
    if (!left.alive || left.next < 0) continue;
    BpeScratch::Symbol& right = symbols[left.next];
    // A candidate is out of date when the pair at its place no longer merges to the same token. That another
    // pair which does is merged now, at the older rank, is how `tokenizers` decides, so we do too.
    const Merge* merge = find_merge(left.id, right.id);
    if (!merge || merge->merged != top.merged) continue;
    left.id = top.merged;
    left.next = right.next;
    right.alive = false;
    if (left.next >= 0) symbols[left.next].previous = at;
    if (left.previous >= 0) push_candidate(left.previous, at, scratch);
    if (left.next >= 0) push_candidate(at, left.next, scratch);
  }
}

Status Bpe::encode(std::string_view piece, BpeScratch& scratch, std::vector<int32_t>& ids) const {
  INVAR_CHECK(!piece.empty() && piece.size() < size_t{1} << 31, "{} bytes", piece.size());
  if (const int32_t id = index_.find(piece); id >= 0 && direct_.size() && direct_[static_cast<size_t>(id)]) {
    ids.push_back(id);
    return Ok{};
  }
  INVAR_RETURN_IF_ERROR(start_symbols(piece, scratch));
  merge_all(scratch);
  for (int32_t i = scratch.symbols.empty() ? -1 : 0; i >= 0; i = scratch.symbols[i].next) {
    ids.push_back(scratch.symbols[i].id);
  }
  return Ok{};
}

}  // namespace invar
