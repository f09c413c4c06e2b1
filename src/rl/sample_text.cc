#include "rl/sample_text.h"

#include <algorithm>

#include "engine/text_stream.h"

namespace invar {

SampleText sample_text(const Tokenizer& tokenizer, std::span<const int32_t> tokens,
                       const std::vector<std::string>& stops) {
  SampleText result;
  TextStream stream(tokenizer, stops);
  // Stop strings hold text back; the borders between tokens are those of the text without them.
  StreamDecoder decoder(tokenizer, {.skip_special_tokens = true});
  std::size_t end = 0;
  std::size_t waiting = 0;  // the last so many tokens, whose bytes are no character yet
  const auto came = [&](std::size_t bytes) {
    // Of so many bytes each of the tokens has one at least, the last one the rest.
    for (std::size_t i = 0; i < waiting; ++i) {
      const std::size_t own = std::min(end + i + 1, end + bytes);
      result.token_ends[result.token_ends.size() - waiting + i] = static_cast<int32_t>(own);
    }
    end += bytes;
    waiting = 0;
  };
  for (const int32_t token : tokens) {
    stream.push(token);
    const std::size_t bytes = decoder.push(token).size();
    if (bytes > 0) came(bytes);
    result.token_ends.push_back(static_cast<int32_t>(end));
    if (bytes == 0 && tokenizer.is_token(token) && !tokenizer.is_special(token)) ++waiting;
  }
  if (waiting > 0) {
    came(decoder.finish().size());
    result.token_ends.back() = static_cast<int32_t>(end);
  }
  stream.finish();
  result.stopped = stream.stopped();
  result.text = stream.take_text();
  const auto whole = static_cast<int32_t>(result.text.size());
  int32_t last = 0;
  for (int32_t& token_end : result.token_ends) last = token_end = std::clamp(token_end, last, whole);
  return result;
}

}  // namespace invar
