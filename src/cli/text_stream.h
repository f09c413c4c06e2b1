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

  // The text that this token makes final; often empty. All of it is collected in text().
  std::string push(int32_t token) { return take(stops_.push(decoder_.push(token))); }
  // What was held back, when no stop string came.
  std::string finish() {
    std::string piece = stops_.push(decoder_.finish());
    return take(piece + stops_.flush());
  }

  bool stopped() const { return stops_.stopped(); }
  const std::string& text() const { return text_; }

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
