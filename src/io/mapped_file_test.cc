#include "io/mapped_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

#include "io/atomic_file.h"

namespace invar {
namespace {

// A file of three pages, the last one not full, removed at the end.
class TestFile {
 public:
  TestFile() {
    const Status written = write_file_atomically(path_, std::string(9000, 'x'));
    EXPECT_TRUE(written.ok()) << written.message();
  }
  ~TestFile() { ::unlink(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_ = testing::TempDir() + "mapped-" + std::to_string(::getpid());
};

TEST(MappedFileDeathTest, AFileThatShrinksWhileItIsReadEndsInOneClearLine) {
  const TestFile file;
  const auto mapped = MappedFile::open(file.path());
  ASSERT_TRUE(mapped.ok()) << mapped.message();
  ASSERT_EQ(::truncate(file.path().c_str(), 100), 0);
  const volatile std::byte& lost = mapped->bytes()[8192];
  EXPECT_EXIT((explain_lost_mappings("the file is gone\n"), static_cast<void>(std::byte{lost})),
              testing::ExitedWithCode(1), "^the file is gone\n$");
}

TEST(MappedFileDeathTest, OtherBusErrorsKeepTheirSignal) {
  EXPECT_EXIT((explain_lost_mappings("the file is gone\n"), std::raise(SIGBUS)),
              testing::KilledBySignal(SIGBUS), "^$");
}

}  // namespace
}  // namespace invar
