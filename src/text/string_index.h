// A hash index of byte strings, filled once and then only read: token bytes to token id.
//
// Ids follow from the strings alone; the order of the table is never visible.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"

namespace invar {

inline uint64_t mix_hash(uint64_t h) {
  h ^= h >> 32;
  h *= 0xD6E8FEB86659FD93u;
  return h ^ h >> 32;
}

inline uint64_t hash_bytes(std::string_view s) {
  uint64_t h = s.size() * 0x9E3779B97F4A7C15u;
  while (s.size() >= 8) {
    uint64_t word;
    std::memcpy(&word, s.data(), 8);
    h = mix_hash(h ^ word);
    s.remove_prefix(8);
  }
  uint64_t tail = 0;
  if (!s.empty()) std::memcpy(&tail, s.data(), s.size());
  return mix_hash(h ^ tail);
}

class StringIndex {
 public:
  // Room for `count` strings of `bytes` bytes together.
  void reserve(size_t count, size_t bytes) {
    bytes_.reserve(bytes);
    while (slots_.size() < 2 * count + 2) slots_.resize(slots_.empty() ? 16 : 2 * slots_.size());
  }

  // False, and no change, when the string is there already. Never more than reserved.
  bool insert(std::string_view s, int32_t id) {
    INVAR_CHECK(id >= 0 && 2 * (count_ + 1) <= slots_.size(), "id {}, {} of {} slots", id, count_,
                slots_.size());
    size_t slot = find_slot(s);
    if (slots_[slot].id >= 0) return false;
    slots_[slot] = {static_cast<uint32_t>(hash_bytes(s) >> 32), id, bytes_.size(), s.size()};
    bytes_ += s;
    ++count_;
    return true;
  }

  // The id, or -1.
  int32_t find(std::string_view s) const { return slots_.empty() ? -1 : slots_[find_slot(s)].id; }

  size_t size() const { return count_; }

 private:
  struct Slot {
    uint32_t tag;     // upper half of the hash
    int32_t id = -1;  // -1: free
    size_t offset;    // in bytes_
    size_t length;
  };

  size_t find_slot(std::string_view s) const {
    const uint64_t hash = hash_bytes(s);
    const auto tag = static_cast<uint32_t>(hash >> 32);
    size_t at = hash & (slots_.size() - 1);
    for (;; at = (at + 1) & (slots_.size() - 1)) {
      const Slot& slot = slots_[at];
      if (slot.id < 0) return at;
      if (slot.tag == tag && slot.length == s.size() &&
          std::memcmp(bytes_.data() + slot.offset, s.data(), s.size()) == 0) {
        return at;
      }
    }
  }

  std::vector<Slot> slots_;  // a power of two of them, at most half used
  std::string bytes_;
  size_t count_ = 0;
};

}  // namespace invar
