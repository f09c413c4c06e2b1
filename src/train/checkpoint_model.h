// The files that make a folder of weights a model for Hugging Face's tools and for us: configuration and tokenizer.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "io/json.h"
#include "model/config.h"
#include "model/weights.h"

namespace invar {

struct ModelFile {
  std::string name;  // "config.json"
  std::string bytes;
};

// Reads them into memory, in name order, so that a checkpoint written later does not depend on where the run began.
// Errors: those of the files; a GGUF model whose configuration config.json cannot say.
//
// From a Hugging Face folder or a checkpoint: its config.json, generation_config.json and tokenizer files, as they are.
// From GGUF: config.json and generation_config.json from its metadata, and the tokenizer as tokenizer.gguf, a GGUF file
// of the keys tokenizer.*, which load_tokenizer reads. No tokenizer.json: GGUF does not say enough for one (the
// rules of the pre-tokenizer are a name there), and one that tokenises almost the same would be worse than none.
Result<std::vector<ModelFile>> read_model_files(const WeightSource& source);

// What parse_hf_config reads as `config`, and transformers (4 and 5) as the same model. Errors: biases that config.json
// has no key for.
Result<Json> hf_config(const ModelConfig& config);
Json hf_generation_config(const ModelConfig& config);

}  // namespace invar
