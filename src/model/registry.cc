#include "model/registry.h"

#include <algorithm>
#include <charconv>

#include "model/for_weights.h"
#include "model/update.h"
#include "numerics/rope_table.h"

namespace invar {
namespace {

constexpr std::string_view kLayers = "model.layers.";

using DescribeBlock = void (*)(Parts&, const std::string& layer, DecoderBlock&);

DescribeBlock describe(Architecture architecture) {
  switch (architecture) {
    case Architecture::kLlama: return llama_block;
    case Architecture::kQwen2: return qwen2_block;
    case Architecture::kQwen3: return qwen3_block;
  }
  INVAR_CHECK(false, "architecture {}", static_cast<int>(architecture));
  return nullptr;
}

std::string prefix_of(int64_t layer) { return fmt::format("{}{}.", kLayers, layer); }

// The layer that a name belongs to; -1 for a name outside the layers, or no number.
int64_t layer_of(std::string_view name) {
  if (!name.starts_with(kLayers)) return -1;
  name.remove_prefix(kLayers.size());
  int64_t layer = -1;
  const auto [end, code] = std::from_chars(name.data(), name.data() + name.size(), layer);
  return code == std::errc() ? layer : -1;
}

void sort_by_name(std::vector<WeightPlace>& places) {
  std::sort(places.begin(), places.end(),
            [](const WeightPlace& a, const WeightPlace& b) { return a.spec.name < b.spec.name; });
}

}  // namespace

Result<DecoderModel> make_decoder(const ModelConfig& config) {
  INVAR_TRY(const RopeFrequencies frequencies, rope_frequencies(config.rope, config.head_dim));
  DecoderModel model;
  model.config = config;
  model.blocks.resize(static_cast<std::size_t>(config.layers));
  Parts parts(config, Parts::Mode::kMake);
  parts.frame(model);
  for (int64_t layer = 0; layer < config.layers; ++layer)
    describe(config.architecture)(parts, prefix_of(layer), model.blocks[static_cast<std::size_t>(layer)]);
  model.cos_sin = Buffer<float>(config.max_position * config.head_dim);
  rope_table(frequencies, config.max_position, model.cos_sin.data());
  return model;
}

Result<DecoderModel> load_decoder(const WeightSource& source, ThreadPool* pool) {
  INVAR_TRY(DecoderModel model, make_decoder(source.config()));
  const std::vector<WeightPlace> places = weight_places(model);
  std::vector<Status> loaded(places.size(), Ok{});
  ThreadPool alone(1);
  // The source's weights are in name order too.
  for_weights(source.specs(), pool != nullptr ? *pool : alone, [&](std::size_t i) {
    const WeightPlace& place = places[i];
    const auto load = [&]() -> Status {
      INVAR_TRY(const Buffer<bf16> values, source.load(place.spec.name, place.spec.shape));
      write_weight(place, values.span(), nullptr);
      return Ok{};
    };
    loaded[i] = load();
  });
  for (Status& status : loaded) INVAR_RETURN_IF_ERROR(std::move(status));
  return model;
}

std::vector<WeightPlace> weight_places(DecoderModel& model) {
  Parts parts(model.config, Parts::Mode::kFind);
  parts.frame(model);
  for (std::size_t layer = 0; layer < model.blocks.size(); ++layer)
    describe(model.config.architecture)(parts, prefix_of(static_cast<int64_t>(layer)), model.blocks[layer]);
  std::vector<WeightPlace> places = parts.places();
  sort_by_name(places);
  return places;
}

std::optional<WeightPlace> weight_place(DecoderModel& model, std::string_view name) {
  Parts parts(model.config, Parts::Mode::kFind);
  const int64_t layer = layer_of(name);
  if (layer < 0) {
    parts.frame(model);
  } else if (layer < static_cast<int64_t>(model.blocks.size())) {
    describe(model.config.architecture)(parts, prefix_of(layer),
                                        model.blocks[static_cast<std::size_t>(layer)]);
  }
  for (const WeightPlace& place : parts.places()) {
    if (place.spec.name == name) return place;
  }
  return {};
}

std::vector<WeightSpec> weight_specs(const ModelConfig& config) {
  // The description of a model without memory: one empty block stands for all.
  DecoderModel model;
  DecoderBlock block;
  Parts parts(config, Parts::Mode::kFind);
  parts.frame(model);
  for (int64_t layer = 0; layer < config.layers; ++layer)
    describe(config.architecture)(parts, prefix_of(layer), block);
  std::vector<WeightPlace> places = parts.places();
  sort_by_name(places);
  std::vector<WeightSpec> specs;
  for (WeightPlace& place : places) specs.push_back(std::move(place.spec));
  return specs;
}

}  // namespace invar
