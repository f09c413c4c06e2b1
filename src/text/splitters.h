// Hand-written equivalents of the split regexes of the common byte-level BPE tokenizers, several times as fast as a
// regex engine and linear in the text.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace invar {

enum class Splitter { kGpt2, kLlama3, kQwen2 };

// The regex a splitter implements, with Oniguruma's classes.
std::string_view splitter_pattern(Splitter splitter);

// The splitter of exactly this pattern, if there is one.
std::optional<Splitter> find_splitter(std::string_view pattern);

// Appends the end offset of every piece of `text` (well-formed UTF-8) to `ends`, shifted by `base`. The
// pieces cover the text: each of these regexes matches something at every position.
void split(Splitter splitter, std::string_view text, size_t base, std::vector<size_t>& ends);

}  // namespace invar
