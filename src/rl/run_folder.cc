#include "rl/run_folder.h"

#include <algorithm>
#include <filesystem>

namespace invar {

namespace fs = std::filesystem;

Result<std::vector<std::string>> find_ledgers(const std::string& folder) {
  constexpr int kDepthMax = 8;
  std::error_code code;
  fs::recursive_directory_iterator at(folder, fs::directory_options::skip_permission_denied, code);
  if (code) return error("{}: expected a folder with runs: {}", folder, code.message());
  std::vector<std::string> found;
  for (; at != fs::recursive_directory_iterator(); at.increment(code)) {
    if (code) return error("{}: cannot read: {}", folder, code.message());
    std::error_code ignored;
    const std::string name = at->path().filename().string();
    if (name == "run.db" && at->is_regular_file(ignored)) found.push_back(at->path().string());
    if (at->is_directory(ignored) && (name.starts_with('.') || at.depth() >= kDepthMax))
      at.disable_recursion_pending();
  }
  if (code) return error("{}: cannot read: {}", folder, code.message());
  std::sort(found.begin(), found.end());
  return found;
}

std::string run_name(const std::string& ledger_path) {
  const fs::path path(ledger_path);
  if (path.filename() != "run.db") return ledger_path;
  std::string name = path.parent_path().lexically_normal().string();
  while (name.size() > 1 && name.ends_with('/')) name.pop_back();
  return name.empty() ? "." : name;
}

}  // namespace invar
