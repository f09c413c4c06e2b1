#include "train/optimizer.h"

#include <cmath>

#include "io/hash.h"
#include "io/tree_hash.h"
#include "model/update.h"

namespace invar {

Status check(const OptimizerOptions& options) {
  const auto in = [](float x, float low, float high) { return x >= low && x < high; };
  if (!in(options.beta1, 0, 1)) return error("beta1: expected 0 to below 1, found {}", options.beta1);
  if (!in(options.beta2, 0, 1)) return error("beta2: expected 0 to below 1, found {}", options.beta2);
  if (!(options.eps > 0 && std::isfinite(options.eps)))
    return error("eps: expected above 0, found {}", options.eps);
  if (!(options.weight_decay >= 0 && std::isfinite(options.weight_decay)))
    return error("weight_decay: expected 0 or more, found {}", options.weight_decay);
  if (!(options.clip_norm >= 0 && std::isfinite(options.clip_norm)))
    return error("clip_norm: expected 0 (off) or more, found {}", options.clip_norm);
  return Ok{};
}

Optimizer::Optimizer(const ParameterLayout& layout, ThreadPool& pool)
    : layout_(layout),
      masters_(layout.size()),
      m_(layout.size()),
      v_(layout.size()),
      weights_(layout.size()) {
  for (const ParameterLayout::Named& named : layout_.named()) {
    const int64_t width = named.place.spec.width();
    pool.parallel_for(named.place.spec.rows(), [&](int64_t begin, int64_t end, int) {
      for (int64_t row = begin; row < end; ++row) {
        const int64_t at = named.begin + row * width;
        read_rows(named.place, row, {weights_.data() + at, static_cast<std::size_t>(width)});
        for (int64_t i = at; i < at + width; ++i) masters_[i] = to_float(weights_[i]);
      }
    });
  }
}

Result<Optimizer::Report> Optimizer::step(Queue& queue, const OptimizerOptions& options, const Step& step,
                                          const Gradients& gradients) {
  INVAR_CHECK(step.number >= 1 && step.denominator >= 1, "step {}, denominator {}", step.number,
              step.denominator);
  INVAR_RETURN_IF_ERROR(gradients.check());
  const auto denominator = static_cast<double>(step.denominator);
  const double norm = gradient_norm(gradients.square_sum(queue)) / denominator;
  const double clip = options.clip_norm;
  const double factor = clip > 0 && norm > clip ? clip / norm : 1.0;
  AdamWStep numbers{.lr = step.learning_rate,
                    .beta1 = options.beta1,
                    .beta2 = options.beta2,
                    .eps = options.eps,
                    .weight_decay = 0,
                    .m_correction = 1,
                    .v_correction = 1,
                    .gradient_scale = static_cast<float>(factor / denominator)};
  adamw_set_corrections(numbers, step.number);
  for (const ParameterLayout::Named& named : layout_.named()) {
    const bool is_matrix = named.place.spec.shape.size() == 2;
    numbers.weight_decay = is_matrix ? options.weight_decay : 0.0f;
    adamw(queue, {.gradient = gradients.sums().data() + named.begin,
                  .m = m_.data() + named.begin,
                  .v = v_.data() + named.begin,
                  .master = masters_.data() + named.begin,
                  .weight = weights_.data() + named.begin,
                  .size = named.place.spec.elements(),
                  .step = numbers});
  }
  return Report{.gradient_norm = norm, .clip_factor = static_cast<float>(factor)};
}

void Optimizer::write(ThreadPool& pool) const {
  for (const ParameterLayout::Named& named : layout_.named()) {
    write_weight(named.place,
                 {weights_.data() + named.begin, static_cast<std::size_t>(named.place.spec.elements())},
                 &pool);
  }
}

std::string Optimizer::digest(ThreadPool& pool) const {
  std::string all;
  for (const Buffer<float>* part : {&masters_, &m_, &v_}) all += tree_hash_hex(std::as_bytes(part->span()), pool);
  return sha256_hex(std::as_bytes(std::span(all)));
}

}  // namespace invar
