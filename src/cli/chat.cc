// invar chat: a conversation in the terminal.
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "cli/line_editor.h"
#include "cli/rates.h"
#include "cli/session.h"
#include "cli/terminal.h"
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
    "  /sampling        how answers are drawn\n"
    "  /save FILE       write the conversation as JSON\n"
    "  /quit            or Ctrl-D\n"
    "  A line that ends in \\ goes on in the next. Ctrl-C stops an answer; at the prompt it clears the\n"
    "  line, and leaves when given twice.\n";

class Chat {
 public:
  Chat(const ChatCommand& command, const SamplingParams& sampling, Session& session)
      : session_(session),
        sampling_(sampling),
        system_(command.system),
        interactive_(stdin_is_terminal() && stdout_is_terminal()) {
    if (interactive_) editor_.emplace();
    reset();
  }

  // 0; without a terminal 1 when anything was refused, for nobody was there to see it.
  int run() {
    if (interactive_) {
      const ModelConfig& config = session_.model.config;
      fmt::print("{}: {}, context {} tokens\n{}\n/help lists commands, Ctrl-D leaves.\n",
                 session_.weights.path(), architecture_name(config.architecture), config.max_position,
                 describe_sampling(sampling_));
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
      if (std::ferror(stdout) != 0) break;
    }
    return refused_ && !interactive_ ? 1 : 0;
  }

 private:
  void reset() {
    messages_ = OrderedJson::array();
    if (!system_.empty()) messages_.push_back({{"role", "system"}, {"content", system_}});
    sample_ = 0;
  }

  // A line of the user, with its history and arrow keys on a terminal.
  EditedLine read_line(const char* prompt) {
    if (editor_) return editor_->read(prompt);
    EditedLine line{.event = LineEvent::kLine, .text = {}};
    int c = std::getchar();
    if (c == EOF) return {};
    for (; c != EOF && c != '\n'; c = std::getchar()) {
      if (line.text.size() == Tokenizer::kEncodeBytesMax) {
        refuse(fmt::format("standard input: a line is longer than {} MiB, the most that a message may have",
                           Tokenizer::kEncodeBytesMax >> 20));
        return {};
      }
      line.text += static_cast<char>(c);
    }
    return line;
  }

  // A message or a command: a line and those that it goes on in. Ctrl-C throws away all of it.
  EditedLine read_whole_line() {
    EditedLine whole = read_line("\n> ");
    while (whole.event == LineEvent::kLine && whole.text.ends_with('\\')) {
      whole.text.back() = '\n';
      const EditedLine more = read_line("  ");
      if (more.event == LineEvent::kEnd) break;
      whole.event = more.event;
      whole.text += more.text;
    }
    return whole;
  }

  // Nothing when the user wants to leave: at the end of the input, or after Ctrl-C and once more on an empty line.
  std::optional<std::string> read_message() {
    for (bool warned = false;; warned = true) {
      EditedLine line = read_whole_line();
      if (line.event == LineEvent::kLine) return std::move(line.text);
      if (line.event == LineEvent::kEnd || (warned && line.text.empty())) return std::nullopt;
      note("Ctrl-C again, or Ctrl-D, leaves");
    }
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
    } else if (name == "/sampling") {
      fmt::print("{}\n", describe_sampling(sampling_));
    } else {
      refuse(fmt::format("{}: unknown command; /help lists them", name));
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
      refuse(status.message());
    } else {
      refuse(fmt::format("{}: expected a number, found \"{}\"", name, value));
    }
    sampling_ = before;
  }

  void again() {
    if (!has_answer()) {
      return refuse("/again: there is no answer yet");
    }
    const OrderedJson before = messages_.back();
    messages_.erase(messages_.size() - 1);
    ++sample_;
    // The earlier answer stays when there is no new one.
    if (!answer()) messages_.push_back(before);
  }

  void undo() {
    if (messages_.empty() || messages_.back()["role"] == "system")
      return refuse("/undo: there is no message yet");
    if (has_answer()) messages_.erase(messages_.size() - 1);
    messages_.erase(messages_.size() - 1);
    sample_ = 0;
    say(fmt::format("taken back; {} messages are left", messages_.size()));
  }

  void save(const std::string& path) {
    if (path.empty()) return refuse("/save: expected a file name");
    // The file is replaced by rename, which would put a file in a device's place.
    struct stat info = {};
    if (::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode))
      return refuse(
          fmt::format("/save: {}: expected a new name or a file, found a folder or a device", path));
    const std::string text = messages_.dump(1, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
    if (const Status status = write_file_atomically(path, text); !status.ok())
      return refuse(fmt::format("/save: {}", status.message()));
    say(fmt::format("saved {} messages in {}", messages_.size(), path));
  }

  // Answers the last message; false when there is no answer.
  bool answer() {
    Interrupt interrupt;
    auto ids = session_.encode_chat(messages_);
    if (!ids.ok()) return take_back(ids.message());
    Request request{.prompt = std::move(*ids), .sampling = sampling_, .first_sample = sample_};
    const int64_t room = session_.model.config.max_position - static_cast<int64_t>(request.prompt.size());
    if (room < 1) {
      return take_back(
          fmt::format("the conversation has {} tokens, this model's context {}; /undo or /reset makes room",
                      request.prompt.size(), session_.model.config.max_position));
    }
    request.sampling.max_tokens = std::min(request.sampling.max_tokens, room);

    request.on_token = [this](const TokenEvent& event) {
      if (!put(event.text)) session_.engine->abort_all();
      return true;
    };
    Rates rates;
    auto results = run_timed(session_, {std::move(request)}, rates);
    if (!results.ok()) return take_back(results.message());
    const SampleResult& result = results->front().samples.front();
    if (result.finish == FinishReason::kError) return take_back(result.message);
    if (result.finish == FinishReason::kAborted && result.tokens.empty())
      return take_back("stopped before the answer began");
    (void)put("\n");
    messages_.push_back({{"role", "assistant"}, {"content", result.text}});
    if (interactive_) print_rates(result, rates);
    return true;
  }

  // The message could not be answered: a new one is not part of the conversation. Returns false.
  bool take_back(std::string_view message) {
    refuse(message);
    if (sample_ == 0) messages_.erase(messages_.size() - 1);
    return false;
  }

  void refuse(std::string_view message) {
    fail(message);
    refused_ = true;
  }

  // What a command did, for a person.
  void say(std::string_view message) const {
    if (interactive_) note(message);
  }

  void print_rates(const SampleResult& result, const Rates& rates) const {
    std::string line = fmt::format("{} tokens", result.tokens.size());
    if (rates.decode_tokens > 0)
      line += fmt::format(", {:.0f} tokens/s",
                          static_cast<double>(rates.decode_tokens) / std::max(rates.decode_s, 1e-9));
    line += fmt::format("; read {} new and {} known tokens", rates.prompt_tokens, rates.cached_tokens);
    if (result.finish == FinishReason::kLength) line += "; cut at --max-tokens or the context's end";
    if (result.finish == FinishReason::kAborted) line += "; stopped";
    note(fmt::format("[{}]", line));
  }

  Session& session_;
  SamplingParams sampling_;
  std::string system_;
  OrderedJson messages_;
  uint64_t sample_ = 0;  // grows with /again
  bool interactive_;
  std::optional<LineEditor> editor_;  // where interactive
  bool refused_ = false;
};

}  // namespace

int run_chat(const ChatCommand& command) {
  const auto early = resolve_sampling(command.sampling, {}, std::numeric_limits<int32_t>::max());
  if (!early.ok()) return fail(early.message());
  auto session = open_session(command.model);
  if (!session.ok()) return fail(session.message());
  if (!(*session)->chat_template)
    return fail("this model has no chat template; invar generate --no-chat-template runs it");
  const ModelConfig& config = (*session)->model.config;
  auto sampling = resolve_sampling(command.sampling, config.generation, config.vocab_size);
  if (!sampling.ok()) return fail(sampling.message());
  return Chat(command, *sampling, **session).run();
}

}  // namespace invar
