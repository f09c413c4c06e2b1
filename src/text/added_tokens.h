// Added tokens: strings that are cut out of a text before it is normalised and merged.
//
// Source: `tokenizers`' added_vocabulary.rs. Matching is leftmost, then longest; the corner cases below are its own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace invar {

struct AddedToken {
  std::string content;  // what is looked for; not empty
  int32_t id;
  bool single_word = false;  // only where no word character touches it
  bool lstrip = false;       // takes the white space before it along
  bool rstrip = false;       // takes the white space after it along
  bool special = false;      // only looked for when special tokens are to be parsed
};

// A stretch of text: an added token, or (id -1) text between them.
struct Segment {
  size_t begin, end;
  int32_t id;
};

// A set of added tokens in a byte trie.
class AddedTokens {
 public:
  // Of two tokens with the same content the last counts.
  void insert(const AddedToken& token);

  bool empty() const { return tokens_.empty(); }

  // The segments of `text` (well-formed UTF-8), in order, none empty. A special token that is not parsed
  // still takes its place in the matching: no other token is looked for inside it. O(n * longest token).
  std::vector<Segment> find(std::string_view text, bool parse_special) const;

 private:
  struct Node {
    std::vector<std::pair<unsigned char, uint32_t>> children;  // sorted by byte
    int32_t token = -1;
  };
  struct Hit {
    int32_t token;
    size_t end;
  };
  Hit longest_at(std::string_view text, size_t at) const;

  std::vector<Node> nodes_{1};
  std::vector<AddedToken> tokens_;
  bool starts_[256] = {};  // bytes that some token starts with
};

}  // namespace invar
