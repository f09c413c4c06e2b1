// What the tests of swiglu and of its backward share. Case: made of (rows, ffn_dim, random); has gate_up and in_stride,
// and run(queue) gives the output.
#pragma once

#include <gtest/gtest.h>

#include "kernels/tiers_test.h"

namespace invar {

template <class Case>
void expect_every_tier_and_thread_count_gives_the_bits_of_ref() {
  TestRandom random(1);
  TestQueue ref(Tier::kRef, 1);
  const auto queues = all_queues();
  std::vector<int64_t> dims{64, 100, 1536};
  for (int64_t dim = 1; dim <= 33; ++dim) dims.push_back(dim);
  for (int64_t dim : dims) {
    for (int64_t rows : {1, 3, 40}) {
      Case c(rows, dim, random);
      if (rows == 3) c.gate_up = random.bf16_bits(static_cast<int64_t>(c.gate_up.size()));
      const auto expected = c.run(ref.queue);
      for (const auto& q : queues)
        ASSERT_EQ(c.run(q->queue), expected) << q->name() << ", dim " << dim << ", rows " << rows;
    }
  }
}

template <class Case>
void expect_every_gate_gives_the_bits_of_ref() {
  TestQueue ref(Tier::kRef, 1);
  TestRandom random(2);
  Case c(2, 32768, random);
  for (uint32_t bits = 0; bits < 65536; ++bits)
    c.gate_up[(bits >> 15) * c.in_stride + (bits & 32767)] = {static_cast<uint16_t>(bits)};
  const auto expected = c.run(ref.queue);
  for (const auto& q : all_queues()) ASSERT_EQ(c.run(q->queue), expected) << q->name();
}

}  // namespace invar
