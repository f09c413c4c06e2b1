#include "io/safetensors.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "io/atomic_file.h"
#include "io/text_testing.h"

namespace invar {
namespace {

namespace fs = std::filesystem;

std::string as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string file_of(const std::string& header, const std::string& data) {
  const uint64_t size = header.size();
  std::string out(8, '\0');
  std::memcpy(out.data(), &size, 8);
  return out + header + data;
}

std::string safetensors_refusal(const std::string& bytes) {
  const Result<SafetensorsFile> file = SafetensorsFile::from_memory(as_bytes(bytes), "t.safetensors");
  EXPECT_FALSE(file.ok()) << bytes;
  if (file.ok()) return "";
  EXPECT_EQ(file.message().rfind("t.safetensors: ", 0), 0u) << file.message();
  EXPECT_EQ(file.message().find('\n'), std::string::npos) << file.message();
  return file.message();
}

const char* const kTwo =
    R"({"__metadata__":{"format":"pt"},"b":{"dtype":"BF16","shape":[2,3],"data_offsets":[4,16]},)"
    R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"z":{"dtype":"U8","shape":[0,5],"data_offsets":[16,16]}}  )";

TEST(Safetensors, TensorsAreViewsOfTheirBytes) {
  const std::string bytes = file_of(kTwo, "aaaabbbbbbbbbbbb");
  Result<SafetensorsFile> file = SafetensorsFile::from_memory(as_bytes(bytes), "t");
  ASSERT_TRUE(file.ok()) << file.message();
  ASSERT_EQ(file->tensors().size(), 3u);
  const SafetensorsTensor& b = file->tensors().at("b");
  EXPECT_EQ(b.dtype, DType::kBF16);
  EXPECT_EQ(b.shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(as_text(b.data), "bbbbbbbbbbbb");
  EXPECT_EQ(as_text(file->tensors().at("a").data), "aaaa");
  EXPECT_EQ(file->tensors().at("z").elements(), 0);
  EXPECT_EQ(file->metadata().at("format"), "pt");
}

TEST(Safetensors, EveryShorterPrefixIsRefused) {
  const std::string whole = file_of(kTwo, "aaaabbbbbbbbbbbb");
  for (std::size_t size = 0; size < whole.size(); ++size) safetensors_refusal(whole.substr(0, size));
  EXPECT_CONTAINS(safetensors_refusal(whole + "x"), "expected 16 bytes of tensor data, found 17");
}

TEST(Safetensors, AHugeHeaderLengthIsNotBelieved) {
  std::string bytes(1024, ' ');
  const uint64_t huge = uint64_t{1} << 60;
  std::memcpy(bytes.data(), &huge, 8);
  EXPECT_CONTAINS(safetensors_refusal(bytes),
                  "at most 100000000 bytes, found a length of 1152921504606846976");
  const uint64_t large = 50'000'000;
  std::memcpy(bytes.data(), &large, 8);
  EXPECT_CONTAINS(safetensors_refusal(bytes),
                  "expected a header of 50000000 bytes, found 1016; the file is cut off");
}

TEST(Safetensors, CorruptHeadersAreRefusedByName) {
  const auto one = [](const std::string& entry, const std::string& data = "12345678") {
    return safetensors_refusal(file_of(R"({"w":)" + entry + "}", data));
  };
  EXPECT_CONTAINS(safetensors_refusal(file_of("[]", "")), "expected an object");
  EXPECT_CONTAINS(safetensors_refusal(file_of("{", "")), "header: byte ");
  EXPECT_CONTAINS(one("3"), "tensor \"w\": expected an object, found 3");
  EXPECT_CONTAINS(one(R"({"shape":[2],"data_offsets":[0,8]})"), "dtype: expected a string, found nothing");
  EXPECT_CONTAINS(one(R"({"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]})"), "found \"F8_E4M3\"");
  EXPECT_CONTAINS(one(R"({"dtype":"F32","data_offsets":[0,8]})"), "shape: expected an array of dimensions");
  EXPECT_CONTAINS(one(R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})"), "found -2");
  EXPECT_CONTAINS(one(R"({"dtype":"F32","shape":[2.0],"data_offsets":[0,8]})"), "found 2.0");
  EXPECT_CONTAINS(one(R"({"dtype":"F32","shape":[1099511627776,1099511627776],"data_offsets":[0,8]})"),
                  "2^56");
  EXPECT_CONTAINS(one(R"({"dtype":"F64","shape":[2305843009213693953],"data_offsets":[0,8]})"),
                  "found 23058430092");
  EXPECT_CONTAINS(one(R"({"dtype":"F32","shape":[2]})"), "expected [begin, end]");
  EXPECT_CONTAINS(one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,4,8]})"), "expected [begin, end]");
  EXPECT_CONTAINS(one(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})"), "begin <= end");
  EXPECT_CONTAINS(one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,4]})"), "expected 8 bytes");
  EXPECT_CONTAINS(one(R"({"dtype":"F32","shape":[2],"data_offsets":[4,12]})"), "begin at 0");
  EXPECT_CONTAINS(one(R"({"dtype":"F32","shape":[3],"data_offsets":[0,12]})"), "the file is cut off");
  EXPECT_CONTAINS(safetensors_refusal(file_of(R"({"__metadata__":{"a":1}})", "")),
                  "__metadata__: a: expected a string");
}

TEST(Safetensors, OverlapsHolesAndSecondNamesAreRefused) {
  const auto two = [](const std::string& a, const std::string& b) {
    return safetensors_refusal(file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":)" + a +
                                           R"(},"b":{"dtype":"F32","shape":[2],"data_offsets":)" + b + "}}",
                                       std::string(16, 'x')));
  };
  EXPECT_CONTAINS(two("[0,8]", "[4,12]"), "tensor \"b\": expected data_offsets to begin at 8");
  EXPECT_CONTAINS(two("[0,8]", "[0,8]"), "begin at 8");
  EXPECT_CONTAINS(two("[0,8]", "[12,20]"), "begin at 8");
  EXPECT_CONTAINS(safetensors_refusal(file_of(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                                              R"("a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                                              "xy")),
                  "\"a\" occurs twice");
}

TEST(Safetensors, FlippingAnyByteNeverCrashes) {
  const std::string whole = file_of(kTwo, "aaaabbbbbbbbbbbb");
  int refused = 0;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      std::string bytes = whole;
      bytes[i] = static_cast<char>(bytes[i] ^ flip);
      refused += !SafetensorsFile::from_memory(as_bytes(bytes), "t").ok();
    }
  }
  EXPECT_GT(refused, 100);
}

TEST(Safetensors, AFileWrittenByTheReferenceIsRead) {
  const std::string path = INVAR_SOURCE_DIR "/tests/corpus/safetensors_fuzz/four.safetensors";
  const Result<SafetensorsFile> file = SafetensorsFile::open(path);
  ASSERT_TRUE(file.ok()) << file.message();
  ASSERT_EQ(file->tensors().size(), 4u);
  float last;
  std::memcpy(&last, file->tensors().at("a").data.data() + 20, 4);
  EXPECT_EQ(last, 5.0f);
  EXPECT_EQ(file->tensors().at("b").shape, (std::vector<int64_t>{0, 4}));
  EXPECT_TRUE(file->tensors().at("c").shape.empty());
  EXPECT_EQ(file->tensors().at("d").dtype, DType::kF16);
}

class SafetensorsModelTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "invar_safetensors_" + std::to_string(::getpid());
    fs::create_directory(folder_);
    one_ = {DType::kF32, {2}, as_bytes(f32_)};
    two_ = {DType::kBF16, {3}, as_bytes(bf16_)};
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  void write_index(const std::string& weight_map) {
    ASSERT_TRUE(write_file_atomically(path("model.safetensors.index.json"),
                                      R"({"metadata":{"total_size":14},"weight_map":)" + weight_map + "}")
                    .ok());
  }
  std::string model_refusal() const {
    const Result<SafetensorsModel> model = SafetensorsModel::open(folder_);
    EXPECT_FALSE(model.ok());
    return model.ok() ? "" : model.message();
  }

  std::string folder_, f32_ = "12345678", bf16_ = "abcdef";
  SafetensorsTensor one_, two_;
};

TEST_F(SafetensorsModelTest, WhatIsWrittenIsReadBackAligned) {
  ASSERT_TRUE(write_safetensors(path("model.safetensors"), {{"a.narrow", two_}, {"b.wide", one_}},
                                {{"format", "pt"}, {"note", "\"quoted\"\n"}})
                  .ok());
  Result<SafetensorsFile> file = SafetensorsFile::open(path("model.safetensors"));
  ASSERT_TRUE(file.ok()) << file.message();
  EXPECT_EQ(file->metadata().at("note"), "\"quoted\"\n");
  Result<SafetensorsModel> model = SafetensorsModel::open(folder_);
  ASSERT_TRUE(model.ok()) << model.message();
  EXPECT_EQ(as_text(model->find("a.narrow")->data), bf16_);
  EXPECT_EQ(as_text(model->find("b.wide")->data), f32_);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(model->find("b.wide")->data.data()) % 8, 0u);
  EXPECT_EQ(model->find("c"), nullptr);
}

TEST_F(SafetensorsModelTest, ShardsMakeOneModel) {
  ASSERT_TRUE(write_safetensors(path("s-1.safetensors"), {{"a", one_}}).ok());
  ASSERT_TRUE(write_safetensors(path("s-2.safetensors"), {{"b", two_}}).ok());
  write_index(R"({"a":"s-1.safetensors","b":"s-2.safetensors"})");
  Result<SafetensorsModel> opened = SafetensorsModel::open(folder_);
  ASSERT_TRUE(opened.ok()) << opened.message();
  const SafetensorsModel model = std::move(*opened);
  EXPECT_EQ(model.tensors().size(), 2u);
  EXPECT_EQ(as_text(model.find("a")->data), f32_);
  EXPECT_EQ(as_text(model.find("b")->data), bf16_);
}

TEST_F(SafetensorsModelTest, IndexesThatDoNotFitTheShardsAreRefused) {
  EXPECT_CONTAINS(model_refusal(), "expected model.safetensors or model.safetensors.index.json");
  ASSERT_TRUE(write_safetensors(path("s-1.safetensors"), {{"a", one_}, {"b", two_}}).ok());
  write_index(R"({"a":"s-1.safetensors","b":"s-2.safetensors"})");
  EXPECT_CONTAINS(model_refusal(),
                  "the tensor \"b\" is in \"s-1.safetensors\", but the index names another file");
  write_index(R"({"a":"s-1.safetensors","b":"s-1.safetensors","c":"s-2.safetensors"})");
  EXPECT_CONTAINS(model_refusal(),
                  "s-2.safetensors: cannot open: No such file or directory (a shard named by ");
  write_index(R"({"a":"s-1.safetensors"})");
  EXPECT_CONTAINS(model_refusal(),
                  "the tensor \"b\" is in \"s-1.safetensors\", but the index does not name it");
  write_index(R"({"a":"s-1.safetensors","b":"s-1.safetensors","c":"s-1.safetensors"})");
  EXPECT_CONTAINS(model_refusal(), "the tensor \"c\" is not in \"s-1.safetensors\"");
  write_index(R"({"a":"../s-1.safetensors"})");
  EXPECT_CONTAINS(model_refusal(), "expected the name of a file in the same folder");
  write_index("[]");
  EXPECT_CONTAINS(model_refusal(), "weight_map: expected an object");
}

}  // namespace
}  // namespace invar
