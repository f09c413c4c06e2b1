// invar chat: a conversation in the terminal.
#include <editline/readline.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <iostream>

#include "cli/session.h"
#include "cli/terminal.h"
#include "cli/text_stream.h"
#include "io/atomic_file.h"

namespace invar {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr const char* kHelp =
    "  /help            this list\n"
    "  /again           another answer to the last message (the next sample of the same seed)\n"
    "  /undo            take back the last message and its answer\n"
    "  /reset           begin a new conversation\n"
    "  /system TEXT     set the system message and begin a new conversation\n"
    "  /temperature T   0: always the likeliest token\n"
    "  /seed N          seed of the answers from here on\n"
    "  /save FILE       write the conversation as JSON\n"
    "  /quit            or Ctrl-D\n"
    "  A line that ends in \\ goes on in the next. Ctrl-C stops an answer.\n";

class Chat {
 public:
  Chat(const ChatCommand& command, Session& session)
      : session_(session), sampling_(command.sampling), system_(command.system), terminal_(stdout_is_terminal()) {
    reset();
  }

  int run() {
    if (terminal_) {
      fmt::print("{}, {} layers, context {}. /help lists commands.\n", session_.weights.path(),
                 session_.model.config.layers, session_.model.config.max_position);
    }
    while (const auto line = read_message()) {
      if (line->empty()) continue;
      if (line->front() == '/') {
        if (!obey(*line)) break;
      } else {
        sample_ = 0;
        messages_.push_back({{"role", "user"}, {"content", *line}});
        answer();
      }
    }
    return 0;
  }

 private:
  void reset() {
    messages_ = OrderedJson::array();
    if (!system_.empty()) messages_.push_back({{"role", "system"}, {"content", system_}});
    sample_ = 0;
  }

  // A line of the user, with its history and arrow keys on a terminal; nothing at the end of the input.
  std::optional<std::string> read_line(const char* prompt) const {
    std::string line;
    if (!terminal_) {
      if (!std::getline(std::cin, line)) return std::nullopt;
      return line;
    }
    char* typed = readline(prompt);
    if (typed == nullptr) return std::nullopt;
    line = typed;
    if (!line.empty()) add_history(typed);
    std::free(typed);
    return line;
  }

  std::optional<std::string> read_message() const {
    auto line = read_line("\n> ");
    while (line && !line->empty() && line->back() == '\\') {
      line->back() = '\n';
      const auto more = read_line("  ");
      if (!more) break;
      *line += *more;
    }
    return line;
  }

  bool has_answer() const { return !messages_.empty() && messages_.back()["role"] == "assistant"; }

  // False: the user wants to leave.
  bool obey(const std::string& line) {
    const auto space = line.find(' ');
    const std::string name = line.substr(0, space);
    const std::string value = space == std::string::npos ? "" : line.substr(space + 1);
    if (name == "/quit" || name == "/exit") return false;
    if (name == "/help") {
      fmt::print("{}", kHelp);
    } else if (name == "/reset") {
      reset();
    } else if (name == "/system") {
      system_ = value;
      reset();
    } else if (name == "/again") {
      again();
    } else if (name == "/undo") {
      undo();
    } else if (name == "/temperature") {
      set("/temperature", value, sampling_.temperature);
    } else if (name == "/seed") {
      set("/seed", value, sampling_.seed);
    } else if (name == "/save") {
      save(value);
    } else {
      fail(fmt::format("unknown command {}; /help lists them", name));
    }
    return true;
  }

  template <class T>
  void set(const char* name, const std::string& value, T& member) {
    const SamplingParams before = sampling_;
    const auto end = value.data() + value.size();
    const auto [stopped, code] = std::from_chars(value.data(), end, member);
    if (code == std::errc() && stopped == end) {
      const Status status = validate(sampling_, session_.model.config.vocab_size);
      if (status.ok()) return;
      fail(status.message());
    } else {
      fail(fmt::format("{}: expected a number, found \"{}\"", name, value));
    }
    sampling_ = before;
  }

  void again() {
    if (!has_answer()) {
      fail("/again: there is no answer yet");
      return;
    }
    messages_.erase(messages_.size() - 1);
    ++sample_;
    answer();
  }

  void undo() {
    if (has_answer()) messages_.erase(messages_.size() - 1);
    if (!messages_.empty() && messages_.back()["role"] == "user") messages_.erase(messages_.size() - 1);
    sample_ = 0;
  }

  void save(const std::string& path) const {
    if (path.empty()) {
      fail("/save: expected a file name");
      return;
    }
    const std::string text = messages_.dump(1, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
    if (const Status status = write_file_atomically(path, text); !status.ok()) fail(status.message());
  }

  void answer() {
    auto ids = session_.encode_chat(messages_);
    if (!ids.ok()) return refuse(ids.message());
    GenerateRequest request{.prompt = std::move(*ids), .sampling = sampling_, .sample = sample_};
    const int64_t room = session_.model.config.max_position - static_cast<int64_t>(request.prompt.size());
    if (room < 1) return refuse("the conversation is longer than the model's context; /reset begins a new one");
    request.sampling.max_tokens = std::min(request.sampling.max_tokens, room);

    Interrupt interrupt;
    TextStream stream(session_.tokenizer, sampling_.stop);
    const auto show = [](const std::string& piece) {
      std::fwrite(piece.data(), 1, piece.size(), stdout);
      std::fflush(stdout);
    };
    auto results = session_.generator->run({&request, 1}, [&](std::size_t, int32_t token, float) {
      show(stream.push(token));
      return !stream.stopped() && !Interrupt::raised();
    });
    if (!results.ok()) return refuse(results.message());
    show(stream.finish());
    std::puts("");
    messages_.push_back({{"role", "assistant"}, {"content", stream.text()}});
    if (terminal_) print_rates(results->front());
  }

  // The message could not be answered: it is not part of the conversation.
  void refuse(std::string_view message) {
    fail(message);
    messages_.erase(messages_.size() - 1);
  }

  void print_rates(const GenerateResult& result) const {
    const GenerateStats& stats = session_.generator->stats();
    const double rate = stats.decode_tokens > 0 ? stats.decode_tokens / std::max(stats.decode_s, 1e-9) : 0;
    note(fmt::format("[{} tokens, {:.0f} tokens/s; read {} new, {} known{}]", result.tokens.size(), rate,
                     stats.prompt_tokens, stats.reused_tokens,
                     result.finish == FinishReason::kLength ? "; cut at --max-tokens" : ""));
  }

  Session& session_;
  SamplingParams sampling_;
  std::string system_;
  OrderedJson messages_;
  uint64_t sample_ = 0;  // grows with /again
  bool terminal_;
};

}  // namespace

int run_chat(const ChatCommand& command) {
  auto session = open_session(command.model);
  if (!session.ok()) return fail(session.message());
  if (!(*session)->chat_template) return fail("this model has no chat template; invar generate --no-chat-template runs it");
  const Status status = validate(command.sampling, (*session)->model.config.vocab_size);
  if (!status.ok()) return fail(status.message());
  return Chat(command, **session).run();
}

}  // namespace invar
