// Any bytes as a tokenizer.json: read without fault, and what was accepted encodes and decodes without fault.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "text/stream_decoder.h"
#include "text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace invar;
  auto parts = parse_tokenizer_json({reinterpret_cast<const char*>(data), size}, "fuzz");
  if (!parts.ok()) return 0;
  const Tokenizer tokenizer(std::move(*parts));
  for (std::string_view text : {"", "Hello, w\xC3\xB6rld's 123  \r\n\n<s> \xE2\x96\x81x", " a aa<unk>  "}) {
    for (bool flag : {false, true}) {
      const auto ids = tokenizer.encode(text, {.add_special_tokens = flag, .parse_special = flag});
      if (!ids.ok()) continue;
      const DecodeOptions options{.skip_special_tokens = flag};
      StreamDecoder decoder(tokenizer, options);
      std::string streamed;
      for (int32_t id : *ids) {
        INVAR_CHECK(id >= 0 && id < tokenizer.vocab_size(), "id {} of {}", id, tokenizer.vocab_size());
        streamed += decoder.push(id);
      }
      streamed += decoder.finish();
      INVAR_CHECK(streamed == tokenizer.decode(*ids, options));
    }
  }
  return 0;
}
