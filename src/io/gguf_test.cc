#include "io/gguf.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "io/gguf_builder.h"
#include "io/text_testing.h"

namespace invar {
namespace {

Result<GgufFile> parse(const std::string& bytes) {
  return GgufFile::from_memory(as_bytes(bytes), "test.gguf");
}

// The message of a file that must be refused.
std::string gguf_refusal(const std::string& bytes) {
  const Result<GgufFile> file = parse(bytes);
  EXPECT_FALSE(file.ok());
  if (file.ok()) return "";
  EXPECT_EQ(file.message().find('\n'), std::string::npos) << file.message();
  EXPECT_EQ(file.message().find("test.gguf"), 0u) << file.message();
  return file.message();
}

GgufBuilder every_type() {
  GgufBuilder builder;
  builder.put<uint8_t>("u8", 255).put<int8_t>("i8", -128).put<uint16_t>("u16", 65535).put<int16_t>("i16", -5);
  builder.put<uint32_t>("u32", 4000000000u).put<int32_t>("i32", -7).put<uint64_t>("u64", ~uint64_t{0});
  builder.put<int64_t>("i64", 9).put<float>("f32", 0.5f).put<double>("f64", 0.1).put<bool>("yes", true);
  builder.put_string("text", "hi\nthere").put_strings("words", {"a", "", "ccc"});
  builder.put_array<int32_t>("ints", {1, -2, 3}).put_array<float>("floats", {0.25f, -1.0f});
  builder.put_array<uint8_t>("bytes", {0, 255}).put_array<bool>("flags", {true, false});
  builder.put_array<uint64_t>("big", {1}).put_array<double>("doubles", {0.5}).put_strings("none", {});
  return builder;
}

TEST(Gguf, EveryValueTypeIsRead) {
  const std::string bytes = every_type().bytes();
  Result<GgufFile> file = parse(bytes);
  ASSERT_TRUE(file.ok()) << file.message();
  EXPECT_EQ(file->find_uint("u8"), 255u);
  EXPECT_EQ(file->find_uint("u16"), 65535u);
  EXPECT_EQ(file->find_uint("u32"), 4000000000u);
  EXPECT_EQ(file->find_uint("u64"), ~uint64_t{0});
  EXPECT_EQ(file->find_uint("i64"), 9u);
  EXPECT_EQ(file->find_uint("i8"), std::nullopt);  // negative
  EXPECT_EQ(std::get<int64_t>(file->find("i8")->value), -128);
  EXPECT_EQ(std::get<int64_t>(file->find("i16")->value), -5);
  EXPECT_EQ(std::get<int64_t>(file->find("i32")->value), -7);
  EXPECT_EQ(file->find_float("f32"), 0.5);
  EXPECT_EQ(file->find_float("f64"), 0.1);
  EXPECT_EQ(file->find_bool("yes"), true);
  EXPECT_EQ(*file->find_string("text"), "hi\nthere");
  EXPECT_EQ(*file->find_strings("words"), (std::vector<std::string>{"a", "", "ccc"}));
  EXPECT_TRUE(file->find_strings("none")->empty());
  EXPECT_EQ(*file->find_ints("ints"), (std::vector<int64_t>{1, -2, 3}));
  EXPECT_EQ(*file->find_ints("bytes"), (std::vector<int64_t>{0, 255}));
  EXPECT_EQ(*file->find_ints("flags"), (std::vector<int64_t>{1, 0}));
  EXPECT_EQ(*file->find_ints("big"), (std::vector<int64_t>{1}));
  EXPECT_EQ(*file->find_floats("floats"), (std::vector<float>{0.25f, -1.0f}));
  EXPECT_EQ(*file->find_floats("doubles"), (std::vector<float>{0.5f}));
  EXPECT_EQ(file->values().size(), 20u);
}

TEST(Gguf, AnAbsentKeyAndAnotherTypeBothGiveNothing) {
  const std::string bytes = every_type().bytes();
  Result<GgufFile> file = parse(bytes);
  ASSERT_TRUE(file.ok()) << file.message();
  EXPECT_EQ(file->find("absent"), nullptr);
  EXPECT_EQ(file->find_string("absent"), nullptr);
  EXPECT_NE(file->find("u8"), nullptr);
  EXPECT_EQ(file->find_string("u8"), nullptr);
  EXPECT_EQ(file->find_float("u8"), std::nullopt);
  EXPECT_EQ(file->find_ints("floats"), nullptr);
}

TEST(Gguf, TensorsHaveTheirShapesOutermostFirst) {
  std::string q8(2 * 2 * 34, 'q'), f32(12, 'f');
  GgufBuilder builder;
  builder.tensor("w", GgmlType::kQ8_0, {2, 64}, q8).tensor("norm", GgmlType::kF32, {3}, f32);
  for (const uint32_t version : {2u, 3u}) {
    builder.version = version;
    const std::string bytes = builder.bytes();
    Result<GgufFile> file = parse(bytes);
    ASSERT_TRUE(file.ok()) << file.message();
    ASSERT_EQ(file->tensors().size(), 2u);
    const GgufTensor* w = file->find_tensor("w");
    ASSERT_NE(w, nullptr);
    EXPECT_EQ(w->shape, (std::vector<int64_t>{2, 64}));
    EXPECT_EQ(w->elements(), 128);
    EXPECT_EQ(w->type, GgmlType::kQ8_0);
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(w->data.data()), w->data.size()), q8);
    const GgufTensor* norm = file->find_tensor("norm");
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(norm->data.data()), norm->data.size()), f32);
    EXPECT_EQ(file->find_tensor("v"), nullptr);
  }
}

TEST(Gguf, ADifferentAlignmentIsFollowed) {
  GgufBuilder builder;
  builder.alignment = 256;
  builder.put<uint32_t>("general.alignment", 256);
  builder.tensor("a", GgmlType::kF32, {1}, "aaaa").tensor("b", GgmlType::kF32, {1}, "bbbb");
  const std::string bytes = builder.bytes();
  Result<GgufFile> file = parse(bytes);
  ASSERT_TRUE(file.ok()) << file.message();
  EXPECT_EQ(static_cast<char>(file->find_tensor("b")->data[3]), 'b');
  for (const uint32_t alignment : {0u, 3u, 1u << 30}) {
    GgufBuilder bad;
    bad.put<uint32_t>("general.alignment", alignment);
    EXPECT_CONTAINS(gguf_refusal(bad.bytes()), "general.alignment: expected a power of two");
  }
  GgufBuilder text;
  text.put_string("general.alignment", "32");
  EXPECT_CONTAINS(gguf_refusal(text.bytes()), "general.alignment");
}

TEST(Gguf, EveryShorterPrefixIsRefused) {
  GgufBuilder builder = every_type();
  builder.tensor("w", GgmlType::kQ4_0, {2, 32}, std::string(36, 'q'))
      .tensor("n", GgmlType::kF16, {2}, "1234");
  const std::string whole = builder.bytes();
  ASSERT_TRUE(parse(whole).ok());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::string prefix(whole.begin(),
                             whole.begin() + static_cast<std::ptrdiff_t>(size));  // own allocation
    EXPECT_FALSE(parse(prefix).ok()) << "a prefix of " << size << " bytes was accepted";
  }
}

TEST(Gguf, WrongHeadersAreRefusedByName) {
  EXPECT_CONTAINS(gguf_refusal("PK\x03\x04...."), "expected a GGUF file");
  GgufBuilder builder;
  builder.version = 1;
  EXPECT_CONTAINS(gguf_refusal(builder.bytes()), "expected GGUF version 2 or 3, found 1");
  builder.version = 0x03000000;
  EXPECT_CONTAINS(gguf_refusal(builder.bytes()), "big-endian");
  std::string many = GgufBuilder().bytes();
  many[15] = '\x10';  // tensor count 2^60
  EXPECT_CONTAINS(gguf_refusal(many), "expected at most");
}

TEST(Gguf, CorruptKeysAndValuesAreRefusedByName) {
  EXPECT_CONTAINS(gguf_refusal(GgufBuilder().put<uint8_t>("a", 1).put<uint8_t>("a", 2).bytes()),
                  "\"a\" occurs twice");
  const std::string type99("\x63\0\0\0", 4);
  EXPECT_CONTAINS(gguf_refusal(GgufBuilder().put_raw("a", type99).bytes()),
                  "expected a value type of 0 to 12, found 99");
  const std::string bool2("\x07\0\0\0\x02", 5);
  EXPECT_CONTAINS(gguf_refusal(GgufBuilder().put_raw("a", bool2).bytes()),
                  "expected a bool of 0 or 1, found 2");
  const std::string nested("\x09\0\0\0\x09\0\0\0\x01\0\0\0\0\0\0\0", 16);
  EXPECT_CONTAINS(gguf_refusal(GgufBuilder().put_raw("a", nested).bytes()), "array of arrays");
  EXPECT_CONTAINS(gguf_refusal(GgufBuilder().put_array<uint64_t>("a", {uint64_t{1} << 63}).bytes()),
                  "below 2^63");
  // Counts and lengths far beyond the file must not be believed.
  for (const char element : {0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12}) {
    const std::string huge =
        std::string("\x09\0\0\0", 4) + element + std::string("\0\0\0\0\0\0\0\0\0\0\x10", 11);
    EXPECT_CONTAINS(gguf_refusal(GgufBuilder().put_raw("a", huge).bytes()), "end of the file");
  }
  const std::string long_text = std::string("\x08\0\0\0", 4) + std::string(8, '\xff');
  EXPECT_CONTAINS(gguf_refusal(GgufBuilder().put_raw("a", long_text).bytes()), "end of the file");
  EXPECT_CONTAINS(gguf_refusal(GgufBuilder().put<uint8_t>(std::string(70000, 'k'), 1).bytes()),
                  "at most 65535");
}

TEST(Gguf, CorruptTensorsAreRefusedByName) {
  const uint32_t f32 = 0, q4_0 = 2;
  const auto at = [](const std::vector<int64_t>& shape, uint32_t type, uint64_t offset) {
    return gguf_refusal(GgufBuilder()
                            .tensor("ok", GgmlType::kF32, {16}, std::string(64, 'x'))
                            .tensor_at("w", type, shape, offset)
                            .bytes());
  };
  EXPECT_CONTAINS(at({}, f32, 0), "expected 1 to 4 dimensions, found 0");
  EXPECT_CONTAINS(at({1, 1, 1, 1, 1}, f32, 0), "expected 1 to 4 dimensions, found 5");
  EXPECT_CONTAINS(at({2, 0}, f32, 0), "dimension 0 is 0");
  EXPECT_CONTAINS(at({int64_t{1} << 40, int64_t{1} << 40}, f32, 0), "fewer than 2^56 elements");
  EXPECT_CONTAINS(at({-1}, f32, 0), "fewer than 2^56 elements");
  EXPECT_CONTAINS(at({33}, q4_0, 0), "not whole Q4_0 blocks of 32");
  EXPECT_CONTAINS(at({2}, 10, 0), "found ggml type 10");
  EXPECT_CONTAINS(at({2}, f32, 1), "multiple of 32, found 1");
  EXPECT_CONTAINS(at({2}, f32, 96), "the file is cut off");
  EXPECT_CONTAINS(at({2}, f32, ~uint64_t{31}), "the file is cut off");
  EXPECT_CONTAINS(at({2}, f32, 32), "\"ok\" and \"w\" overlap");
  EXPECT_CONTAINS(at({2}, f32, 0), "overlap");
  GgufBuilder twice;
  twice.tensor("w", GgmlType::kF32, {1}, "aaaa").tensor("w", GgmlType::kF32, {1}, "bbbb");
  EXPECT_CONTAINS(gguf_refusal(twice.bytes()), "\"w\" occurs twice");
}

TEST(Gguf, FlippingAnyByteNeverCrashes) {
  GgufBuilder builder = every_type();
  builder.tensor("w", GgmlType::kQ4_0, {2, 32}, std::string(36, 'q'));
  const std::string whole = builder.bytes();
  int refused = 0;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      std::string bytes = whole;
      bytes[i] = static_cast<char>(bytes[i] ^ flip);
      const Result<GgufFile> file = parse(bytes);
      if (!file.ok()) ++refused;
    }
  }
  EXPECT_GT(refused, 100);
}

TEST(Gguf, FilesWrittenByGgufPyAreRead) {
  for (const std::string arch : {"llama", "qwen2", "qwen3"}) {
    const Result<GgufFile> file =
        GgufFile::open(INVAR_SOURCE_DIR "/tests/corpus/gguf_fuzz/" + arch + ".gguf");
    ASSERT_TRUE(file.ok()) << file.message();
    EXPECT_EQ(*file->find_string("general.architecture"), arch);
    EXPECT_EQ(file->find_uint(arch + ".embedding_length"), 32u);
    EXPECT_EQ(*file->find_floats("tokenizer.ggml.scores"), (std::vector<float>{0.0f, -1.0f}));
    EXPECT_EQ(*file->find_ints("tokenizer.ggml.token_type"), (std::vector<int64_t>{1, 3}));
    ASSERT_NE(file->find_tensor("token_embd.weight"), nullptr);
    EXPECT_EQ(file->find_tensor("token_embd.weight")->shape, (std::vector<int64_t>{2, 32}));
  }
}

TEST(Gguf, OpeningKeepsTheMappingAliveThroughMoves) {
  const std::string path = testing::TempDir() + "gguf_test_open.gguf";
  const std::string bytes = GgufBuilder().tensor("w", GgmlType::kF32, {2}, "abcdefgh").bytes();
  std::ofstream(path, std::ios::binary) << bytes;
  Result<GgufFile> opened = GgufFile::open(path);
  ASSERT_TRUE(opened.ok()) << opened.message();
  GgufFile moved = std::move(*opened);
  const GgufFile again = std::move(moved);
  EXPECT_EQ(static_cast<char>(again.find_tensor("w")->data[7]), 'h');
  EXPECT_EQ(again.path(), path);
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace invar
