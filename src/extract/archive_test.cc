// Archives, and the tricks that are played with them.
#include "extract/spool.h"
#include "extract/testing/collect.h"
#include "extract/testing/samples.h"
#include "gtest/gtest.h"

namespace tessera {
namespace {

std::vector<std::string> Names(const std::vector<CollectedDocument>& documents) {
  std::vector<std::string> names;
  for (const CollectedDocument& document : documents) {
    names.push_back(document.info.name + (document.error ? ": " + document.ErrorName() : ""));
  }
  return names;
}

TEST(ArchiveTest, EveryMemberIsADocument) {
  const SampleFiles files = {
      {"docs/a.md", "# A\n"}, {"b.csv", "x,y\n1,2\n"}, {"__MACOSX/._b", "?"}};
  const std::vector<std::string> expected = {"p.zip/docs/a.md", "p.zip/b.csv"};
  EXPECT_EQ(Names(ReadHere(MakeZip(files), "p.zip")), expected);
  EXPECT_EQ(Names(ReadHere(MakeTarGz({{"a.txt", "x"}}), "p.tar.gz")),
            (std::vector<std::string>{"p.tar.gz/a.txt"}));
}

TEST(ArchiveTest, NestedAndMixedWithBadMembers) {
  const std::string inner = MakeZip({{"deep.txt", "deep"}});
  const auto documents = ReadHere(
      MakeZip({{"inner.zip", inner}, {"bad.pdf", "no pdf"}, {"good.txt", "good"}}), "o.zip");
  EXPECT_EQ(Names(documents),
            (std::vector<std::string>{"o.zip/inner.zip/deep.txt", "o.zip/bad.pdf: wrong_type",
                                      "o.zip/good.txt"}));
}

TEST(ArchiveTest, PasswordIsToldForTheMember) {
  EXPECT_EQ(Names(ReadHere(MakeZip({{"a.txt", "secret"}}, "pw"), "p.zip")),
            (std::vector<std::string>{"p.zip/a.txt: encrypted"}));
}

TEST(ArchiveTest, BombByRatioIsStopped) {
  // 64 MiB of zeros pack to 64 KiB: a thousand to one.
  const std::string zip = MakeZip({{"zeros.txt", std::string(64u << 20, '0')}, {"b.txt", "never"}});
  EXPECT_EQ(Names(ReadHere(zip, "bomb.zip")), (std::vector<std::string>{"bomb.zip: zip_bomb"}));
}

TEST(ArchiveTest, NestedBombIsJudgedAsAWhole) {
  const std::string member = MakeZip({{"zeros.txt", std::string(24u << 20, '0')}});
  const std::string zip = MakeZip({{"1.zip", member}, {"2.zip", member}});
  const auto documents = ReadHere(zip, "bomb.zip");
  ASSERT_FALSE(documents.empty());
  EXPECT_EQ(documents.back().ErrorName(), "zip_bomb");
}

TEST(ArchiveTest, DepthAndCountHaveLimits) {
  std::string zip = MakeZip({{"a.txt", "core"}});
  for (int i = 0; i < 5; ++i) zip = MakeZip({{"z.zip", zip}});
  const auto nested = ReadHere(zip, "o.zip");
  EXPECT_EQ(Names(nested), (std::vector<std::string>{"o.zip/z.zip/z.zip/z.zip: zip_bomb"}));
  ExtractConfig limits;
  limits.archive_entries_max = 2;
  const auto many =
      ReadHere(MakeZip({{"1.txt", "1"}, {"2.txt", "2"}, {"3.txt", "3"}}), "m.zip", limits);
  EXPECT_EQ(Names(many),
            (std::vector<std::string>{"m.zip/1.txt", "m.zip/2.txt", "m.zip: too_large"}));
}

TEST(ArchiveTest, TotalBytesHaveALimit) {
  ExtractConfig limits;
  limits.archive_bytes_max.count = 1000;
  const auto documents =
      ReadHere(MakeZip({{"1.txt", std::string(600, 'a')}, {"2.txt", std::string(600, 'b')}}),
               "m.zip", limits);
  EXPECT_EQ(Names(documents), (std::vector<std::string>{"m.zip/1.txt", "m.zip: too_large"}));
}

TEST(ArchiveTest, NamesCannotEscape) {
  EXPECT_EQ(CleanMemberName("../../etc/passwd"), "etc/passwd");
  EXPECT_EQ(CleanMemberName("/abs//x"), "abs/x");
  EXPECT_EQ(CleanMemberName("C:\\Windows\\..\\x.txt"), "Windows/x.txt");
  EXPECT_EQ(CleanMemberName(".."), "unnamed");
  EXPECT_EQ(CleanMemberName(std::string_view("a\0b\n", 4)), "ab");
  EXPECT_EQ(Names(ReadHere(MakeZip({{"../../evil.txt", "x"}}), "p.zip")),
            (std::vector<std::string>{"p.zip/evil.txt"}));
}

TEST(ArchiveTest, DamagedMemberCostsItself) {
  std::string zip = MakeZip({{"a.txt", std::string(1000, 'a') + "middle"}, {"b.txt", "fine"}});
  zip[60] = static_cast<char>(zip[60] ^ 0x5A);
  const auto documents = ReadHere(zip, "p.zip");
  ASSERT_FALSE(documents.empty());
  EXPECT_NE(documents[0].ErrorName(), "");
}

TEST(ArchiveTest, SingleCompressedFile) {
  const auto documents = ReadHere(MakeTarGz({}), "empty.tar.gz");
  ASSERT_EQ(documents.size(), 1u);
  EXPECT_EQ(documents[0].ErrorName(), "no_text");
}

}  // namespace
}  // namespace tessera
