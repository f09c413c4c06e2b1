#include "io/atomic_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "io/mapped_file.h"

namespace invar {
namespace {

namespace fs = std::filesystem;

class FilesTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "invar_files_" + std::to_string(::getpid());
    fs::create_directory(folder_);
  }
  void TearDown() override {
    fs::permissions(folder_, fs::perms::owner_all);
    fs::remove_all(folder_);
  }
  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  static std::string contents(const std::string& path) {
    std::ostringstream out;
    out << std::ifstream(path, std::ios::binary).rdbuf();
    return out.str();
  }
  int64_t files() const { return std::distance(fs::directory_iterator(folder_), fs::directory_iterator()); }

  std::string folder_;
};
using AtomicFileTest = FilesTest;
using MappedFileTest = FilesTest;

TEST_F(AtomicFileTest, CommitShowsTheWholeFileAndLeavesNothingElse) {
  ASSERT_TRUE(write_file_atomically(path("a"), "old").ok());
  Result<AtomicFile> file = AtomicFile::create(path("a"));
  ASSERT_TRUE(file.ok()) << file.message();
  ASSERT_TRUE(file->write("new ").ok());
  ASSERT_TRUE(file->write("text").ok());
  EXPECT_EQ(contents(path("a")), "old");
  ASSERT_TRUE(file->commit().ok());
  EXPECT_EQ(contents(path("a")), "new text");
  EXPECT_EQ(files(), 1);
}

TEST_F(AtomicFileTest, WithoutCommitTheOldFileStays) {
  ASSERT_TRUE(write_file_atomically(path("a"), "old").ok());
  {
    Result<AtomicFile> file = AtomicFile::create(path("a"));
    ASSERT_TRUE(file->write("half").ok());
  }
  EXPECT_EQ(contents(path("a")), "old");
  EXPECT_EQ(files(), 1);
}

TEST_F(AtomicFileTest, TwoWritersDoNotMix) {
  Result<AtomicFile> a = AtomicFile::create(path("f")), b = AtomicFile::create(path("f"));
  ASSERT_TRUE(a->write("aaaa").ok());
  ASSERT_TRUE(b->write("bb").ok());
  ASSERT_TRUE(a->commit().ok());
  EXPECT_EQ(contents(path("f")), "aaaa");
  ASSERT_TRUE(b->commit().ok());
  EXPECT_EQ(contents(path("f")), "bb");
  EXPECT_EQ(files(), 1);
}

TEST_F(AtomicFileTest, NewFilesHaveOrdinaryPermissions) {
  const mode_t mask = ::umask(022);
  ASSERT_TRUE(write_file_atomically(path("a"), "x").ok());
  ::umask(mask);
  struct stat info;
  ASSERT_EQ(::stat(path("a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0644u);
}

TEST_F(AtomicFileTest, AFileSizeLimitLeavesTheOldFile) {
  ASSERT_TRUE(write_file_atomically(path("a"), "old").ok());
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);  // write() then fails with EFBIG, as ENOSPC would
  const rlimit tight{.rlim_cur = 4096, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
  const Status status = write_file_atomically(path("a"), std::string(10000, 'x'));
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.message(), path("a") + ": cannot write: File too large");
  EXPECT_EQ(contents(path("a")), "old");
  EXPECT_EQ(files(), 1);
}

TEST_F(AtomicFileTest, ALinkInPlaceOfTheTemporaryFileIsNotFollowed) {
  fs::create_symlink(path("victim"), path("a.tmp-0"));
  ASSERT_TRUE(write_file_atomically(path("a"), "text").ok());
  EXPECT_EQ(contents(path("a")), "text");
  EXPECT_FALSE(fs::exists(path("victim")));
}

TEST_F(AtomicFileTest, AMissingFolderAndAFolderAsTargetAreErrors) {
  EXPECT_EQ(write_file_atomically(path("no/a"), "x").message(),
            path("no/a") + ": cannot create a temporary file beside it: No such file or directory");
  fs::create_directory(path("d"));
  const Status status = write_file_atomically(path("d"), "x");
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.message().find("rename"), std::string::npos) << status.message();
  EXPECT_EQ(files(), 1);
}

TEST_F(MappedFileTest, BytesAreTheFile) {
  ASSERT_TRUE(write_file_atomically(path("a"), "hello").ok());
  Result<MappedFile> file = MappedFile::open(path("a"));
  ASSERT_TRUE(file.ok()) << file.message();
  MappedFile moved = std::move(*file);
  ASSERT_EQ(moved.bytes().size(), 5u);
  EXPECT_EQ(static_cast<char>(moved.bytes()[4]), 'o');
  // A replacement by rename leaves the mapping of the old file whole.
  ASSERT_TRUE(write_file_atomically(path("a"), "x").ok());
  EXPECT_EQ(static_cast<char>(moved.bytes()[4]), 'o');
}

TEST_F(MappedFileTest, WhatCannotBeMappedIsNamed) {
  EXPECT_EQ(MappedFile::open(path("none")).message(),
            path("none") + ": cannot open: No such file or directory");
  EXPECT_EQ(MappedFile::open(folder_).message(), folder_ + ": expected a file, found a folder");
  std::ofstream(path("empty")).flush();
  EXPECT_EQ(MappedFile::open(path("empty")).message(), path("empty") + ": the file is empty");
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(MappedFile::open(path("pipe")).message(),
            path("pipe") + ": expected a regular file, found a device, pipe or socket");
  ASSERT_TRUE(write_file_atomically(path("secret"), "x").ok());
  fs::permissions(path("secret"), fs::perms::none);
  if (::geteuid() != 0) {  // root reads everything
    EXPECT_EQ(MappedFile::open(path("secret")).message(),
              path("secret") + ": cannot open: Permission denied");
  }
}

TEST_F(MappedFileTest, ReadFileIsBounded) {
  ASSERT_TRUE(write_file_atomically(path("a"), "hello").ok());
  EXPECT_EQ(*read_file(path("a"), 5), "hello");
  EXPECT_EQ(read_file(path("a"), 4).message(), path("a") + ": expected at most 4 bytes, found 5");
  EXPECT_FALSE(read_file(folder_, 100).ok());
  EXPECT_TRUE(is_file(path("a")) && !is_file(folder_) && !is_file(path("none")));
  EXPECT_TRUE(is_directory(folder_) && !is_directory(path("a")) && !is_directory(path("none")));
}

}  // namespace
}  // namespace invar
