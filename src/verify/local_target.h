// LocalTarget: engines in this process over one packed model, a fresh engine and cache for each run.
#pragma once

#include <functional>
#include <map>
#include <memory>

#include "engine/engine.h"
#include "engine/model_executor.h"
#include "kernels/queue.h"
#include "verify/target.h"

namespace invar {

class LocalTarget : public Target {
 public:
  struct Options {
    Profile profile = Profile::kFma32;
    std::vector<Axis> axes;
    std::function<bool()> interrupted;  // asked before each step
  };

  // The model must outlive the target.
  LocalTarget(const DecoderModel& model, Options options);

  std::string name() const override { return std::string(profile_name(options_.profile)); }
  std::span<const Axis> axes() const override { return options_.axes; }
  Result<Outcome> run(std::span<const Case> cases, const Setting& setting) override;
  Result<std::vector<double>> score(const Case& drawn, const Output& output, const Setting& setting) override;

 private:
  struct Machinery;  // queue, executor and engine of one run
  Result<std::unique_ptr<Machinery>> build(std::span<const Case> cases, const Setting& setting);
  // Steps until all are done; results in the order of the cases.
  Result<std::vector<RequestResult>> drive(Engine& engine, std::span<const Case> cases,
                                           const Setting& setting);
  Status warm(Engine& engine, std::span<const Case> cases, const Setting& setting);
  ThreadPool& pool(int threads);

  const DecoderModel& model_;
  Options options_;
  // The last one: threads that wait spin, so no other may be alive.
  std::unique_ptr<ThreadPool> pool_;
};

}  // namespace invar
