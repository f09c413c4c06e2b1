#include "verify/child.h"

#include <cerrno>
#include <climits>
#include <cstring>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace invar {
namespace {

// Reads to the end of the file, or one byte too many.
std::string read_to_end(int file, std::size_t bytes_max) {
  std::string text;
  char block[1 << 16];
  while (text.size() <= bytes_max) {
    const ssize_t got = read(file, block, sizeof block);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(block, static_cast<std::size_t>(got));
  }
  return text;
}

}  // namespace

Result<std::string> own_program() {
  char path[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path);
  if (length <= 0 || length == sizeof path)
    return error("cannot find this program: /proc/self/exe: {}", std::strerror(errno));
  return std::string(path, static_cast<std::size_t>(length));
}

Result<std::string> run_program(const std::string& program, const std::vector<std::string>& arguments,
                                std::size_t bytes_max) {
  std::vector<char*> argv = {const_cast<char*>(program.c_str())};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return error("cannot make a pipe: {}", std::strerror(errno));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  pid_t child = 0;
  const int code = posix_spawn(&child, program.c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  std::string text;
  if (code == 0) text = read_to_end(ends[0], bytes_max);
  close(ends[0]);  // who prints more gets SIGPIPE
  if (code != 0) return error("cannot start {}: {}", program, std::strerror(code));
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  if (text.size() > bytes_max) return error("{}: expected at most {} bytes of output", program, bytes_max);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return error("{}: expected exit status 0, found {}", program,
                 WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  return text;
}

}  // namespace invar
