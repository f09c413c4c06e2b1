#include "train/tensorboard.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <vector>

#include "io/hash.h"

namespace invar {
namespace {

namespace fs = std::filesystem;

class TensorboardTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "invar_events_" + std::to_string(::getpid());
    fs::remove_all(folder_);
    fs::create_directory(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  static std::string contents(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static std::string hex_of(const std::string& bytes) {
    return hex(std::span(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()));
  }
  std::string folder_;
};

TEST(Crc32c, IsThatOfRfc3720) {
  std::string ascending;
  for (char c = 0; c < 32; ++c) ascending += c;
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(crc32c(ascending), 0x46dd794eu);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(""), 0u);
}

// What tensorboard 2.21's RecordWriter writes for the same Event messages.
constexpr const char* kGolden =
    "1800000000000000a37f4b220900001040fc54d9411a0d627261696e2e4576656e743a32338d2fe9100000000000000095fb"
    "fe180900001040fc54d94110ac023a0208016b3b88f12d000000000000003c418afb0900006040fc54d94110ac022a1f0a12"
    "0a0b7265776172642f6d65616e150000203f0a090a026b6c1500000000289ece6c";

TEST_F(TensorboardTest, TheBytesAreTensorboards) {
  auto writer = EventWriter::create(folder_, 300, 1700000000.25);
  ASSERT_TRUE(writer.ok()) << writer.message();
  EXPECT_EQ(writer->path(), folder_ + "/events.out.tfevents.1700000000.000000.invar");
  const Scalar scalars[] = {{"reward/mean", 0.625f}, {"kl", 0.0f}};
  ASSERT_TRUE(writer->add(300, 1700000001.5, scalars).ok());
  EXPECT_EQ(hex_of(contents(writer->path())), kGolden);  // without closing it
}

TEST_F(TensorboardTest, FilesOfOneRunSortInTheOrderTheyWereBegun) {
  std::vector<std::string> begun;
  // Twice in one second, a clock set back by a day, and a file of another program.
  for (const double seconds : {1700000000.0, 1700000000.9, 1699913600.0, 1700000007.0}) {
    const auto writer = EventWriter::create(folder_, 0, seconds);
    ASSERT_TRUE(writer.ok()) << writer.message();
    begun.push_back(writer->path());
  }
  std::ofstream(folder_ + "/events.out.tfevents.1700000009.host.123.0").flush();
  begun.push_back(folder_ + "/events.out.tfevents.1700000009.000001.invar");
  EXPECT_EQ(EventWriter::create(folder_, 0, 1700000008.0)->path(), begun.back());
  EXPECT_TRUE(std::is_sorted(begun.begin(), begun.end()));
  EXPECT_EQ(std::adjacent_find(begun.begin(), begun.end()), begun.end());
  EXPECT_EQ(begun[1], folder_ + "/events.out.tfevents.1700000000.000001.invar");
}

TEST_F(TensorboardTest, AWriteThatFailsLeavesTheStepsBeforeItWhole) {
  auto writer = EventWriter::create(folder_, 0, 1700000000.0);
  const Scalar scalars[] = {{"loss", std::numeric_limits<float>::quiet_NaN()}};
  ASSERT_TRUE(writer->add(1, 1700000001.0, scalars).ok());
  const std::string before = contents(writer->path());
  rlimit limits;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limits), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);  // write() then fails with EFBIG, as ENOSPC would
  const rlimit tight{.rlim_cur = before.size() + 5, .rlim_max = limits.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
  const Status full = writer->add(2, 1700000002.0, scalars);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limits), 0);
  std::signal(SIGXFSZ, handler);
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.message(), writer->path() + ": cannot write: File too large");
  EXPECT_EQ(contents(writer->path()), before);
  // With room again it goes on, record after record.
  ASSERT_TRUE(writer->add(3, 1700000003.0, scalars).ok());
  const std::string after = contents(writer->path());
  EXPECT_EQ(after.substr(0, before.size()), before);
  EXPECT_GT(after.size(), before.size());
}

TEST_F(TensorboardTest, AMissingFolderIsAnError) {
  EXPECT_EQ(EventWriter::create(folder_ + "/none", 0, 0).message(),
            folder_ + "/none: cannot list the folder: No such file or directory");
}

}  // namespace
}  // namespace invar
