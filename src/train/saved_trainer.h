// SavedTrainer: the numbers of a trainer as they are now, put back unless what follows succeeds.
#pragma once

#include <vector>

#include "train/policy_trainer.h"

namespace invar {

// 14 bytes a parameter while it lives.
class SavedTrainer {
 public:
  // The trainer must outlive this.
  explicit SavedTrainer(PolicyTrainer& trainer)
      : trainer_(trainer),
        masters_(copy(trainer.optimizer().masters())),
        first_moments_(copy(trainer.optimizer().first_moments())),
        second_moments_(copy(trainer.optimizer().second_moments())),
        weights_(copy(trainer.optimizer().weights())) {}
  SavedTrainer(const SavedTrainer&) = delete;
  SavedTrainer& operator=(const SavedTrainer&) = delete;

  // The optimizer and the model are as they were; nobody but the trainer has seen them change.
  ~SavedTrainer() {
    if (forgotten_) return;
    Optimizer& optimizer = trainer_.optimizer();
    std::copy(masters_.begin(), masters_.end(), optimizer.masters().begin());
    std::copy(first_moments_.begin(), first_moments_.end(), optimizer.first_moments().begin());
    std::copy(second_moments_.begin(), second_moments_.end(), optimizer.second_moments().begin());
    std::copy(weights_.begin(), weights_.end(), optimizer.weights().begin());
    trainer_.write();
  }

  // What followed is to stay.
  void forget() { forgotten_ = true; }

 private:
  template <class T>
  static std::vector<T> copy(std::span<T> values) {
    return {values.begin(), values.end()};
  }

  PolicyTrainer& trainer_;
  std::vector<float> masters_, first_moments_, second_moments_;
  std::vector<bf16> weights_;
  bool forgotten_ = false;
};

}  // namespace invar
