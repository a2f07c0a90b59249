#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "app/api_routes.h"
#include "app/command.h"
#include "app/commands.h"
#include "app/components.h"
#include "app/file_walk.h"
#include "app/ingest_status.h"
#include "app/target.h"
#include "app/terminal.h"
#include "base/str.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

// A folder of its own, gone with the test.
// NOLINTNEXTLINE(cppcoreguidelines-virtual-class-destructor): googletest derives from it
class FolderTest : public ::testing::Test {
 protected:
  FolderTest() {
    std::string path = (fs::temp_directory_path() / "tessera-app-XXXXXX").string();
    CHECK(::mkdtemp(path.data()) != nullptr);
    root_ = path;
  }
  ~FolderTest() override { fs::remove_all(root_); }
  std::string Write(const std::string& name, const std::string& text = "text") {
    const fs::path path = root_ / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
    return path.string();
  }
  static std::vector<std::string> Names(const WalkResult& walk) {
    std::vector<std::string> names;
    for (const IngestFile& file : walk.files) names.push_back(file.name);
    return names;
  }
  fs::path root_;
};

struct Values {
  bool flag = false;
  std::string text;
  std::uint32_t number = 7;
  std::vector<std::string> many;
  std::vector<std::string> rest;
};

Command Sample(Values& values) {
  Command leaf;
  leaf.name = "leaf";
  leaf.summary = "does something";
  leaf.options = {{.name = "--flag", .doc = "A flag.", .target = &values.flag, .letter = "-f"},
                  {.name = "--text", .value = "TEXT", .doc = "A text.", .target = &values.text},
                  {.name = "--number", .value = "N", .doc = "A number.", .target = &values.number},
                  {.name = "--many", .value = "X", .doc = "Many.", .target = &values.many},
                  {.name = "--mode",
                   .value = "MODE",
                   .doc = "Mode.",
                   .target = &values.text,
                   .words = {"fast", "slow"}}};
  leaf.arguments = {{.name = "PATH", .doc = "Paths.", .target = &values.rest, .many = true}};
  Command root;
  root.name = "root";
  root.commands = {leaf};
  return root;
}

std::string Parse(Values& values, const std::vector<std::string>& words) {
  const Command root = Sample(values);
  Invocation invocation;
  const Status status = ParseCommandLine(root, words, invocation);
  return status.ok() ? "" : std::string(StdView(status.message()));
}

TEST(CommandLineTest, FillsTheTargets) {
  Values values;
  EXPECT_EQ(Parse(values, {"leaf", "a", "--flag", "--text=x y", "--number", "12", "--many", "1",
                           "--many", "2", "b", "--", "--odd"}),
            "");
  EXPECT_TRUE(values.flag);
  EXPECT_EQ(values.text, "x y");
  EXPECT_EQ(values.number, 12u);
  EXPECT_THAT(values.many, ElementsAre("1", "2"));
  EXPECT_THAT(values.rest, ElementsAre("a", "b", "--odd"));
}

TEST(CommandLineTest, SaysWhatIsWrong) {
  Values values;
  EXPECT_THAT(Parse(values, {"laef"}), HasSubstr("root: unknown command \"laef\"; did you mean "
                                                 "\"leaf\"?\nSee \"root --help\"."));
  EXPECT_THAT(Parse(values, {"zzzz"}), HasSubstr("unknown command \"zzzz\"; there are: leaf"));
  EXPECT_THAT(Parse(values, {}), HasSubstr("root: a command is needed"));
  EXPECT_THAT(Parse(values, {"leaf"}), HasSubstr("root leaf: PATH is missing: Paths."));
  EXPECT_THAT(Parse(values, {"leaf", "--txet", "a", "b"}),
              HasSubstr("unknown option --txet; did you mean --text?\nSee \"root leaf --help\"."));
  EXPECT_THAT(Parse(values, {"leaf", "a", "--number", "x"}),
              HasSubstr("--number needs one number: N"));
  EXPECT_THAT(Parse(values, {"leaf", "a", "--number", "-1"}),
              HasSubstr("--number needs one number: N"));
  EXPECT_THAT(Parse(values, {"leaf", "a", "--text"}), HasSubstr("--text needs one value: TEXT"));
  EXPECT_THAT(Parse(values, {"leaf", "a", "--mode", "warp"}),
              HasSubstr("--mode must be one of fast, slow"));
}

TEST(CommandLineTest, EveryCommandExplainsItself) {
  const std::string page = MarkdownPage(RootCommand());
  for (const char* name : {"up", "ask", "ingest", "search", "models list", "backup", "restore",
                           "config check", "config explain", "completion", "version"})
    EXPECT_THAT(page, HasSubstr(StrCat("## `tessera ", name, "`"))) << name;
  EXPECT_THAT(ManPage(RootCommand()), HasSubstr(".SH EXIT STATUS"));
  for (const char* shell : {"bash", "zsh", "fish"})
    EXPECT_THAT(CompletionScript(RootCommand(), shell), HasSubstr("ingest")) << shell;
}

TEST(CommandLineTest, HelpFitsTheTerminal) {
  Values values;
  const Command root = Sample(values);
  const std::string help = HelpText(root.commands[0], "root leaf", 40);
  EXPECT_THAT(help, HasSubstr("Usage: root leaf [OPTION]… PATH…"));
  EXPECT_THAT(help, HasSubstr("-f, --flag"));
  EXPECT_THAT(help, HasSubstr("One of: fast, slow."));
}

TEST_F(FolderTest, WalksKnownKindsAndCountsTheRest) {
  Write("docs/b.md");
  Write("docs/a/c.HTML");
  Write("docs/.hidden.md");
  Write("docs/.git/config.md");
  Write("docs/node_modules/x.js");
  Write("docs/x.o");
  Write("docs/Makefile");
  Write("docs/empty.txt", "");
  fs::create_directory_symlink(root_, root_ / "docs/loop");
  const auto walk = WalkPaths({(root_ / "docs").string(), "https://example.org/a"});
  ASSERT_TRUE(walk.ok()) << walk.status();
  EXPECT_THAT(Names(*walk), ElementsAre("a/c.HTML", "b.md"));
  EXPECT_THAT(walk->links, ElementsAre("https://example.org/a"));
  EXPECT_THAT(walk->skipped,
              UnorderedElementsAre(Pair("hidden", 2), Pair("folder node_modules", 1),
                                   Pair("unknown kind .o", 1), Pair("no file extension", 1),
                                   Pair("empty", 1), Pair("neither file nor folder", 1)));
}

TEST_F(FolderTest, AFileNamedItselfIsAlwaysTaken) {
  const std::string odd = Write("docs/odd.bin");
  const auto walk = WalkPaths({odd, odd, (root_ / "docs").string()});
  ASSERT_TRUE(walk.ok()) << walk.status();
  EXPECT_THAT(Names(*walk), ElementsAre("odd.bin"));
  EXPECT_EQ(walk->files[0].bytes, 4u);
}

TEST_F(FolderTest, NamesDiffer) {
  const auto walk = WalkPaths({Write("x/a.txt"), Write("y/a.txt"), Write("z/b.txt")});
  ASSERT_TRUE(walk.ok()) << walk.status();
  EXPECT_THAT(Names(*walk), ElementsAre("x/a.txt", "y/a.txt", "b.txt"));
}

TEST_F(FolderTest, NamesWhatIsMissingOrTooMuch) {
  const auto missing = WalkPaths({(root_ / "nothing").string()});
  EXPECT_TRUE(absl::IsNotFound(missing.status())) << missing.status();
  EXPECT_THAT(missing.status().ToString(), HasSubstr("nothing: No such file"));
  Write("many/1.txt");
  Write("many/2.txt");
  EXPECT_TRUE(absl::IsResourceExhausted(WalkPaths({(root_ / "many").string()}, 1).status()));
}

TEST_F(FolderTest, NoServerWhereNobodyHoldsTheLock) {
  Write("data/endpoint", "http://127.0.0.1:1\n");
  Write("data/lock", "1\n");
  EXPECT_TRUE(absl::IsNotFound(FindServer((root_ / "data").string()).status()));
}

TEST(IngestSumTest, AddsUpJobs) {
  IngestSum sum;
  for (int i = 0; i < 3; ++i) sum.AddSent(10);
  sum.AddFailure({"gone.txt", "unreadable", "cannot be read"});
  v1::Job job;
  job.set_id("a");
  job.set_state(v1::JOB_STATE_RUNNING);
  job.set_sources(3);
  job.set_succeeded(1);
  job.set_failed(1);
  job.set_chunks(5);
  job.set_bytes_done(20);
  v1::SourceProgress* failed = job.add_progress();
  failed->set_name("bad.pdf");
  failed->set_state(v1::SOURCE_STATE_FAILED);
  failed->set_error_code("encrypted");
  sum.Update(job);
  EXPECT_FALSE(sum.AllEnded());
  EXPECT_EQ(sum.status().files, 4u);
  EXPECT_EQ(sum.status().done, 3u);
  EXPECT_EQ(sum.status().failed, 2u);
  ASSERT_EQ(sum.status().failures.size(), 2u);
  EXPECT_EQ(sum.status().failures[0].code, "encrypted");
  job.set_state(v1::JOB_STATE_DONE);
  sum.Update(job);
  EXPECT_TRUE(sum.AllEnded());
}

TEST(ExitCodeTest, ByKindUnlessGiven) {
  EXPECT_EQ(ExitCodeOf(absl::UnavailableError("x")), ExitCode::kUnreachable);
  EXPECT_EQ(ExitCodeOf(absl::CancelledError("x")), ExitCode::kInterrupted);
  EXPECT_EQ(ExitCodeOf(absl::InternalError("x")), ExitCode::kFailed);
  EXPECT_EQ(ExitCodeOf(WithExitCode(absl::InternalError("x"), ExitCode::kConfig)),
            ExitCode::kConfig);
}

TEST(TerminalTest, NothingSteersTheTerminal) {
  EXPECT_EQ(Printable("a\x1b[2Jb\r\nc\td"), "a [2Jb c d");
  EXPECT_EQ(Printable("x\xC2\x9By"), "x y");
  EXPECT_EQ(Printable("äöü", 2), "äö…");
  EXPECT_EQ(Printable("  a  b  "), "a b");
}

TEST(TerminalTest, Numbers) {
  EXPECT_EQ(HumanBytes(999), "999 B");
  EXPECT_EQ(HumanBytes(1'400'000), "1.4 MB");
  EXPECT_EQ(HumanBytes(999'600), "1.0 MB");
  EXPECT_EQ(HumanCount(1234567), "1,234,567");
  EXPECT_EQ(HumanSeconds(3.21), "3.2 s");
  EXPECT_EQ(HumanSeconds(130), "2 min 10 s");
  EXPECT_EQ(HumanSeconds(3900), "1 h 5 min");
}

std::string ReadAll(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// The generated pages in docs/ are what the program would print now.
TEST(DocsTest, ConfigurationPageIsFresh) {
  EXPECT_EQ(ReadAll(StrCat(TESSERA_SOURCE_DIR, "/docs/configuration.md")),
            AppSchema().ReferencePage())
      << "run: build/release/tessera config reference > docs/configuration.md";
}

TEST(DocsTest, CommandPageIsFresh) {
  const Result<std::string> api = ApiReference();
  ASSERT_TRUE(api.ok()) << api.status();
  EXPECT_EQ(ReadAll(StrCat(TESSERA_SOURCE_DIR, "/docs/api.md")), *api)
      << "run: build/release/tessera api reference > docs/api.md";
  EXPECT_EQ(ReadAll(StrCat(TESSERA_SOURCE_DIR, "/docs/cli.md")), MarkdownPage(RootCommand()))
      << "run: build/release/tessera help --markdown > docs/cli.md";
}

}  // namespace
}  // namespace tessera
