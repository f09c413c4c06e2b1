// ServerTarget: any engine behind HTTP, seen from outside: text, token ids where the API gives them, log-probs as they
// are printed.
#pragma once

#include <functional>
#include <memory>

#include "io/http_client.h"
#include "verify/server_api.h"
#include "verify/target.h"

namespace invar {

class ServerTarget : public Target {
 public:
  struct Options {
    std::string url;           // http://HOST[:PORT]
    std::string api = "auto";  // sglang, openai
    int64_t timeout_s = 300;   // of one answer
    int64_t batch_max = 50;
  };

  // Asks the server which API it has. Errors: nobody there, or neither API.
  static Result<std::unique_ptr<ServerTarget>> open(const Options& options);

  std::string name() const override;
  std::span<const Axis> axes() const override { return axes_; }
  Result<Outcome> run(std::span<const Case> cases, const Setting& setting) override;
  std::string cannot_score() const override;
  Result<std::vector<double>> score(const Case& drawn, const Output& output, const Setting& setting) override;

 private:
  ServerTarget(HttpClient client, ServerApi api, std::string model, int64_t batch_max);
  Result<Json> post(std::string_view target, const Json& body) const;
  Result<std::vector<Output>> ask(std::span<const Case> cases) const;
  Result<std::vector<Output>> ask_openai(std::span<const Case> cases) const;

  HttpClient client_;
  ServerApi api_;
  std::string model_;  // as /v1/models names it
  std::vector<Axis> axes_;
};

}  // namespace invar
