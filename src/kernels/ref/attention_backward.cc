#include "kernels/ref/attention_backward.h"

#include <vector>

#include "kernels/ref/chains.h"
#include "numerics/functions.h"

namespace invar::ref {
namespace {

constexpr int64_t kGroup = 16;  // positions that a step of NUM-H16 consumes

// A matrix of bf16, zero at first.
struct Matrix {
  Matrix(int64_t rows, int64_t columns_)
      : columns(columns_), data(static_cast<std::size_t>(rows * columns_)) {}
  bf16* row(int64_t r) { return data.data() + r * columns; }
  const bf16* row(int64_t r) const { return data.data() + r * columns; }

  int64_t columns;
  std::vector<bf16> data;
};

// One sequence and kv head. Positions are padded to a multiple of 16 with zeros.
class Gradients {
 public:
  Gradients(Profile profile, const AttentionBackwardArgs& args, float c, const SequenceRows& sequence,
            int64_t kv_head)
      : profile_(profile),
        args_(args),
        c_(c),
        row_begin_(sequence.row_begin),
        rows_(sequence.rows),
        padded_((sequence.rows + kGroup - 1) / kGroup * kGroup),
        dim_(args.head_dim),
        group_(args.heads / args.kv_heads),
        kv_head_(kv_head),
        k_columns_(columns(args.k, args.k_stride, kv_head)) {
    for (int64_t h = kv_head * group_; h < (kv_head + 1) * group_; ++h) {
      heads_.push_back({columns(args.q, args.q_stride, h), columns(args.d_out, args.d_out_stride, h),
                        Matrix(padded_, padded_), Matrix(padded_, padded_)});
      query_rows(h, heads_.back());
    }
    for (int64_t j = 0; j < rows_; ++j) key_row(j);
  }

 private:
  struct Head {
    Matrix q_columns;      // [D, positions]
    Matrix d_out_columns;  // [D, positions]
    Matrix p;              // transposed, [keys, queries]; masked weights are +0
    Matrix ds;             // likewise
  };

  const bf16* at(const bf16* x, int64_t stride, int64_t position, int64_t head) const {
    return x + (row_begin_ + position) * stride + head * dim_;
  }
  Matrix columns(const bf16* x, int64_t stride, int64_t head) const {
    Matrix out(dim_, padded_);
    for (int64_t t = 0; t < rows_; ++t)
      for (int64_t d = 0; d < dim_; ++d) out.row(d)[t] = at(x, stride, t, head)[d];
    return out;
  }

  // d_out[i] . out[i] in 16 lanes.
  float delta(int64_t i, int64_t h) const {
    const bf16* d_out = at(args_.d_out, args_.d_out_stride, i, h);
    const bf16* out = at(args_.out, args_.out_stride, i, h);
    float lanes[16] = {};
    for (int64_t d = 0; d < dim_; ++d)
      lanes[d % 16] = num::fma(to_float(d_out[d]), to_float(out[d]), lanes[d % 16]);
    for (int stride = 8; stride > 0; stride /= 2)
      for (int t = 0; t < stride; ++t) lanes[t] = lanes[t] + lanes[t + stride];
    return lanes[0];
  }

  // P and dS of a head, and its dq.
  void query_rows(int64_t h, Head& head) const {
    std::vector<bf16> ds(static_cast<std::size_t>(padded_));
    for (int64_t i = 0; i < rows_; ++i) {
      const AttentionRowSum sum = args_.row_sums[(row_begin_ + i) * args_.heads + h];
      const float mc = sum.max * c_;
      const float inverse = 1.0f / sum.sum;
      const float row_delta = delta(i, h);
      for (int64_t j = 0; j <= i; ++j) {
        const float s = attention_chain(profile_, 0.0f, at(args_.q, args_.q_stride, i, h),
                                        at(args_.k, args_.k_stride, j, kv_head_), dim_);
        const float dp = attention_chain(profile_, 0.0f, at(args_.d_out, args_.d_out_stride, i, h),
                                         at(args_.v, args_.v_stride, j, kv_head_), dim_);
        const float p = num::exp2p(num::fma(s, c_, -mc)) * inverse;
        ds[j] = to_bf16(p * (dp - row_delta));
        head.p.row(j)[i] = to_bf16(p);
        head.ds.row(j)[i] = ds[j];
      }
      float* dq = args_.dq + (row_begin_ + i) * args_.dq_stride + h * dim_;
      const int64_t keys = (i / kGroup + 1) * kGroup;  // ds is still +0 beyond i
      for (int64_t d = 0; d < dim_; ++d) {
        const float acc = attention_chain(profile_, 0.0f, ds.data(), k_columns_.row(d), keys);
        dq[d] = (acc + 0.0f) * args_.scale;
      }
    }
  }

  void key_row(int64_t j) const {
    float* dk = args_.dk + (row_begin_ + j) * args_.dk_stride + kv_head_ * dim_;
    bf16* dv = args_.dv + (row_begin_ + j) * args_.dv_stride + kv_head_ * dim_;
    const int64_t begin = j / kGroup * kGroup, count = padded_ - begin;
    for (int64_t d = 0; d < dim_; ++d) {
      float k_acc = 0, v_acc = 0;
      for (const Head& head : heads_) {
        k_acc =
            attention_chain(profile_, k_acc, head.ds.row(j) + begin, head.q_columns.row(d) + begin, count);
        v_acc =
            attention_chain(profile_, v_acc, head.p.row(j) + begin, head.d_out_columns.row(d) + begin, count);
      }
      dk[d] = (k_acc + 0.0f) * args_.scale;
      dv[d] = to_bf16(v_acc + 0.0f);
    }
  }

  Profile profile_;
  const AttentionBackwardArgs& args_;
  float c_;
  int64_t row_begin_, rows_, padded_, dim_, group_, kv_head_;
  Matrix k_columns_;  // [D, positions]
  std::vector<Head> heads_;
};

}  // namespace

void attention_backward(Profile profile, const AttentionBackwardArgs& args, float c) {
  for (const SequenceRows& sequence : args.sequences)
    for (int64_t g = 0; g < args.kv_heads; ++g) Gradients(profile, args, c, sequence, g);
}

}  // namespace invar::ref
