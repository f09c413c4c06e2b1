// TextStream: tokens of one sample become text that is safe to show: whole characters, and nothing of a stop string.
#pragma once

#include <string>
#include <vector>

#include "engine/stop_strings.h"
#include "text/stream_decoder.h"

namespace invar {

class TextStream {
 public:
  TextStream(const Tokenizer& tokenizer, std::vector<std::string> stops)
      : decoder_(tokenizer, {.skip_special_tokens = true}), stops_(std::move(stops)) {}

  // The text that this token makes final; often empty. All of it is collected in text(). Text of a token that may not
  // end the sample (min_tokens) is not searched for stop strings.
  std::string push(int32_t token, bool may_stop = true) {
    std::string piece = decoder_.push(token);
    return take(may_stop ? stops_.push(piece) : std::move(piece));
  }
  // What was held back, when no stop string came.
  std::string finish() {
    std::string piece = stops_.push(decoder_.finish());
    return take(piece + stops_.flush());
  }

  bool stopped() const { return stops_.stopped(); }
  const std::string& stop_string() const { return stops_.matched(); }
  const std::string& text() const { return text_; }
  std::string take_text() { return std::move(text_); }

 private:
  std::string take(std::string piece) {
    text_ += piece;
    return piece;
  }

  StreamDecoder decoder_;
  StopStrings stops_;
  std::string text_;
};

}  // namespace invar
