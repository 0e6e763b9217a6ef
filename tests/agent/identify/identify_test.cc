#include "agent/identify/identify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"

#include "common/text.h"
#include "tests/agent/identify/fake_root.h"

namespace ppmm {
namespace {

class IdentifyTest : public ::testing::Test {
 protected:
  IdentifyTest() {
    fake_.Write("/etc/os-release", "ID=distro\n");
    fake_.Install("pythonrt", "3.11.2-6", "python3.11", {{"/usr/bin/python3.11", "python bytes"}});
    fake_.Install("shell", "5.2-1", "shell", {{"/usr/bin/bash", "bash bytes"}});
    fake_.Install("shopd-15", "15.3-1", "shopd-15",
                  {{"/usr/sbin/shopd", "shopd bytes"}, {"/usr/lib/systemd/system/shopd@.service", "unit"}});
    fake_.Install("webserver", "20.1-2", "webserver",
                  {{"/usr/bin/webserver", "#!/usr/bin/python3\n"}, {"/usr/lib/systemd/system/webserver.service", "u"}});
    fake_.AddRepository(
        "deb.distro.example_distro_dists_stable", "Distro",
        {{"shopd-15", "15.3-1"}, {"webserver", "20.1-2"}, {"pythonrt", "3.11.2-6"}, {"shell", "5.2-1"}});
    fake_.Write("/srv/shop/app.py", "print()");
    fake_.Write("/srv/shop/store/wsgi.py", "application = 1");
  }

  ProcessFacts Facts(const std::string& exe, const std::string& line, const std::string& cwd = "/",
                     const std::string& cgroup = "/") {
    ProcessFacts facts;
    facts.pid = 10;
    facts.exe = exe;
    facts.argv = absl::StrSplit(line, ' ');
    facts.cwd = cwd;
    facts.cgroup = cgroup;
    facts.comm = "comm";
    return facts;
  }

  Identity Identify(const ProcessFacts& facts) {
    if (identifier_ == nullptr) {
      identifier_ = Identifier::Create(fake_.path()).value();
    }
    const Identity identity = identifier_->Identify(facts);
    EXPECT_FALSE(identity.name.empty());
    EXPECT_FALSE(identity.evidence.empty());
    EXPECT_GE(identity.confidence, 0);
    EXPECT_LE(identity.confidence, 1);
    return identity;
  }

  FakeRoot fake_;
  std::unique_ptr<Identifier> identifier_;
};

TEST_F(IdentifyTest, APackagesProgramIsItsProductAndOffTheShelf) {
  const Identity identity = Identify(Facts("/usr/sbin/shopd", "shopd -D"));
  EXPECT_EQ(identity.name, "shopd");
  EXPECT_EQ(identity.name_source, NameSource::kPackage);
  EXPECT_EQ(identity.product, "shopd");
  EXPECT_EQ(identity.version, "15.3-1");
  EXPECT_EQ(identity.code_digest, fake_.Sha256("/usr/sbin/shopd"));
  EXPECT_EQ(identity.origin, CodeOrigin::kOffTheShelf);
  EXPECT_GT(identity.confidence, 0.95);
  EXPECT_EQ(identity.evidence[0].kind, "checksum");
  EXPECT_EQ(identity.evidence[0].text, "Distro package shopd-15 15.3-1, checksum verified: /usr/sbin/shopd")
      << "what proves most comes first";
  EXPECT_EQ(identity.evidence[1].kind, "repository");
}

TEST_F(IdentifyTest, SystemdAndABareProcessAgreeAndTheInstanceIsTheSlot) {
  const Identity identity =
      Identify(Facts("/usr/sbin/shopd", "shopd", "/", "/system.slice/system-shopd.slice/shopd@main.service"));
  EXPECT_EQ(identity.name, "shopd");
  EXPECT_EQ(identity.slot, "main");
  EXPECT_EQ(identity.unit, "shopd@main.service");
}

TEST_F(IdentifyTest, AUnitOfTheSiteNamesItsApplication) {
  fake_.Write("/etc/systemd/system/worker@.service", "[Service]\n");
  const Identity identity = Identify(Facts("/usr/bin/python3.11", "python3 /srv/shop/app.py", "/",
                                           "/system.slice/system-worker.slice/worker@7.service"));
  EXPECT_EQ(identity.name, "worker");
  EXPECT_EQ(identity.slot, "7");
  EXPECT_EQ(identity.name_source, NameSource::kUnit);
  EXPECT_TRUE(absl::StrContains(identity.name_evidence, "no package owns"));
  EXPECT_EQ(identity.origin, CodeOrigin::kInHouse);
}

TEST_F(IdentifyTest, ASitesCopyOfAPackagedUnitIsStillThePackages) {
  fake_.Write("/etc/systemd/system/webserver.service", "[Service]\n");
  EXPECT_EQ(Identify(Facts("/usr/bin/python3.11", "python3 /usr/bin/webserver", "/", "/system.slice/webserver.service"))
                .name_source,
            NameSource::kPackage);
}

TEST_F(IdentifyTest, AnInterpreterIsNeverTheApplication) {
  const Identity own = Identify(Facts("/usr/bin/python3.11", "python3 app.py", "/srv/shop"));
  EXPECT_EQ(own.name, "shop");
  EXPECT_EQ(own.name_source, NameSource::kInterpreter);
  EXPECT_EQ(own.origin, CodeOrigin::kInHouse);
  EXPECT_EQ(own.code, "/srv/shop/app.py");
  EXPECT_EQ(own.code_digest, fake_.Sha256("/srv/shop/app.py"));
  const Identity packaged = Identify(Facts("/usr/bin/python3.11", "python3 /usr/bin/webserver --port 80"));
  EXPECT_EQ(packaged.name, "webserver");
  EXPECT_EQ(packaged.origin, CodeOrigin::kOffTheShelf);
}

TEST_F(IdentifyTest, OwnCodeUnderAPackagedServerIsOwn) {
  const Identity identity =
      Identify(Facts("/usr/bin/python3.11", "python3 /usr/bin/webserver store.wsgi:application", "/srv/shop"));
  EXPECT_EQ(identity.name, "store");
  EXPECT_EQ(identity.origin, CodeOrigin::kInHouse);
  EXPECT_EQ(identity.code, "/srv/shop/store/wsgi.py");
}

TEST_F(IdentifyTest, ACopyOfAPackagedFileIsOffTheShelfWhereverItLies) {
  fake_.Write("/opt/thing/renamed", "shopd bytes");
  const Identity identity = Identify(Facts("/opt/thing/renamed", "renamed"));
  EXPECT_EQ(identity.name, "shopd");
  EXPECT_EQ(identity.origin, CodeOrigin::kOffTheShelf);
  EXPECT_EQ(identity.evidence[0].text, "same content as /usr/sbin/shopd of Distro package shopd-15 15.3-1");
}

TEST_F(IdentifyTest, ARenamedCopyOfAnInterpreterIsStillAnInterpreter) {
  fake_.Write("/opt/thing/runner", "python bytes");
  EXPECT_EQ(Identify(Facts("/opt/thing/runner", "runner app.py", "/srv/shop")).name, "shop");
}

TEST_F(IdentifyTest, OtherBytesAreBuiltHere) {
  fake_.Write("/opt/shopd/sbin/shopd", "rebuilt bytes");
  const Identity identity = Identify(Facts("/opt/shopd/sbin/shopd", "shopd"));
  EXPECT_EQ(identity.name, "shopd");
  EXPECT_EQ(identity.name_source, NameSource::kExecutable);
  EXPECT_EQ(identity.origin, CodeOrigin::kInHouse);
  EXPECT_TRUE(absl::StartsWith(identity.evidence[0].text, "built here"));
}

TEST_F(IdentifyTest, AChangedPackagedFileIsModifiedHereUntilItIsRestored) {
  fake_.Write("/usr/sbin/shopd", "patched bytes");
  const Identity patched = Identify(Facts("/usr/sbin/shopd", "shopd"));
  EXPECT_EQ(patched.name, "shopd");
  EXPECT_EQ(patched.origin, CodeOrigin::kInHouse);
  EXPECT_EQ(patched.evidence[0].kind, "checksum");
  fake_.Write("/usr/sbin/shopd", "shopd bytes");
  EXPECT_EQ(Identify(Facts("/usr/sbin/shopd", "shopd")).origin, CodeOrigin::kOffTheShelf);
}

TEST_F(IdentifyTest, AFileReplacedSinceTheStartIsNotCalledModified) {
  fake_.Write("/running", "bytes of the earlier release");
  ProcessFacts facts = Facts("/usr/sbin/shopd (deleted)", "shopd");
  facts.exe_file = fake_.path() + "/running";
  const Identity identity = Identify(facts);
  EXPECT_EQ(identity.name, "shopd");
  EXPECT_EQ(identity.origin, CodeOrigin::kOffTheShelf);
  EXPECT_EQ(identity.version, "");
  EXPECT_EQ(identity.code_digest, fake_.Sha256("/running"));
}

TEST_F(IdentifyTest, APackagedUnitExplainsAnInterpreterWhoseCodeIsHidden) {
  const Identity identity =
      Identify(Facts("/usr/bin/python3.11", "title written by the program", "/", "/system.slice/webserver.service"));
  EXPECT_EQ(identity.name, "webserver");
  EXPECT_EQ(identity.origin, CodeOrigin::kOffTheShelf);
}

TEST_F(IdentifyTest, ARewrittenCommandLineLeavesTheWorkingDirectoryOrNothing) {
  fake_.Write("/srv/shop/requirements.txt", "");
  EXPECT_EQ(Identify(Facts("/usr/bin/python3.11", "worker", "/srv/shop")).name, "shop");
  const Identity nothing = Identify(Facts("/usr/bin/python3.11", "worker", "/"));
  EXPECT_EQ(nothing.origin, CodeOrigin::kUnknown);
  EXPECT_EQ(nothing.confidence, 0);
}

TEST_F(IdentifyTest, AnInteractiveShellIsOffTheShelf) {
  EXPECT_EQ(Identify(Facts("/usr/bin/bash", "-bash", "/srv/shop")).origin, CodeOrigin::kOffTheShelf);
}

TEST_F(IdentifyTest, CodeWithoutAFileIsNamedByItsProjectOrByHowItWasTold) {
  fake_.Write("/srv/work/.git/HEAD", "ref");
  const auto one_liner = [this](const std::string& exe, std::vector<std::string> argv, const std::string& cwd) {
    ProcessFacts facts = Facts(exe, "", cwd);
    facts.argv = std::move(argv);
    const Identity identity = Identify(facts);
    EXPECT_EQ(identity.origin, CodeOrigin::kInHouse);
    EXPECT_EQ(identity.version + identity.product + identity.code_digest, "") << "the interpreter's are not its own";
    EXPECT_FALSE(identity.code_in_file);
    return identity;
  };
  std::set<std::string> codes;
  for (const std::vector<std::string>& argv : std::vector<std::vector<std::string>>{{"bash", "-c", "sleep 1000; true"},
                                                                                    {"bash", "-s"},
                                                                                    {"bash", "/dev/fd/3"},
                                                                                    {"bash", "/proc/4711/fd/3"},
                                                                                    {"bash", "/proc/self/task/9/fd/3"},
                                                                                    {"bash", "-"},
                                                                                    {"bash", "-lc", "x"}}) {
    const Identity identity = one_liner("/usr/bin/bash", argv, "/srv/work");
    EXPECT_EQ(identity.name, "work") << argv[1];
    codes.insert(identity.code);
  }
  EXPECT_EQ(codes.size(), 1u);
  EXPECT_EQ(one_liner("/usr/bin/python3.11", {"python3", "-c", "pass"}, "/srv/work").name, "work");
  const Identity elsewhere = one_liner("/usr/bin/bash", {"bash", "-c", "sleep 1000; true"}, "/tmp");
  EXPECT_EQ(elsewhere.name, "bash -c");
  EXPECT_FALSE(codes.contains(elsewhere.code)) << "or the name that was kept for one would be the other's";
  EXPECT_EQ(one_liner("/usr/bin/bash", {"bash", "/dev/stdin"}, "/tmp").name, "bash -");
}

TEST_F(IdentifyTest, AShellThatReadsAPipeIsNotInteractive) {
  ProcessFacts facts = Facts("/usr/bin/bash", "bash", "/tmp");
  for (const char* input : {"", "/dev/pts/3", "/dev/console", "/dev/null"}) {
    facts.standard_input = input;
    const Identity identity = Identify(facts);
    EXPECT_EQ(identity.name, "shell") << input;
    EXPECT_EQ(identity.origin, CodeOrigin::kOffTheShelf) << input;
    EXPECT_EQ(identity.version, "5.2-1");
  }
  for (const char* input : {"pipe:[4711]", "socket:[4711]", "/srv/jobs/nightly.sh"}) {
    facts.standard_input = input;
    const Identity identity = Identify(facts);
    EXPECT_EQ(identity.name, "bash -") << input;
    EXPECT_EQ(identity.origin, CodeOrigin::kInHouse) << input;
    EXPECT_EQ(identity.version, "") << input;
  }
}

TEST_F(IdentifyTest, AProgramInMemoryIsCalledTheSameInEachRun) {
  const Identity first = Identify(Facts("/memfd:sealed-91173221a7ea (deleted)", "worker"));
  const Identity second = Identify(Facts("/memfd:sealed-0c2f55d19e31 (deleted)", "worker"));
  EXPECT_EQ(first.name, "memfd:sealed");
  EXPECT_EQ(second.name, first.name);
  EXPECT_EQ(second.code, first.code) << "or a name would be kept for each run";
  EXPECT_EQ(first.executable, "/memfd:sealed-91173221a7ea (deleted)");
  const std::pair<const char*, const char*> names[] = {
      {"/memfd:jit-123e4567-e89b-12d3-a456-426614174000 (deleted)", "memfd:jit"},
      {"/memfd:91173221a7ea (deleted)", "memfd"},
      {"/memfd:cafe-facade (deleted)", "memfd:cafe-facade"},
      {"/memfd:tool-2 (deleted)", "memfd:tool-2"},
      {"/usr/local/bin/job-91173221a7ea", "job-91173221a7ea"},
  };
  for (const auto& [exe, name] : names) {
    EXPECT_EQ(Identify(Facts(exe, "x")).name, name);
  }
}

TEST_F(IdentifyTest, ADescriptorsNumberIsNoName) {
  ProcessFacts facts = Facts("", "/opt/tools/indexer --all");
  facts.comm = "3";
  EXPECT_EQ(Identify(facts).name, "indexer");
  facts.argv[0] = "/dev/fd/3";
  EXPECT_EQ(Identify(facts).name, "unnamed");
  facts.comm = "7zip";
  EXPECT_EQ(Identify(facts).name, "7zip");
}

TEST_F(IdentifyTest, APipeInPlaceOfAProgramHoldsNobodyUp) {
  FakeRoot tree;
  ASSERT_EQ(mkfifo((tree.path() + "/exe").c_str(), 0600), 0);
  ProcessFacts facts = Facts("/opt/tools/indexer", "indexer");
  facts.exe_file = tree.path() + "/exe";
  EXPECT_EQ(Identify(facts).name, "indexer");
}

TEST_F(IdentifyTest, AScriptThatCannotBeFoundHasNotTheVersionOfItsInterpreter) {
  const Identity identity = Identify(Facts("/usr/bin/bash", "bash gone.sh", "/tmp"));
  EXPECT_EQ(identity.name, "gone.sh");
  EXPECT_EQ(identity.origin, CodeOrigin::kUnknown);
  EXPECT_EQ(identity.version + identity.product + identity.code_digest, "");
}

TEST_F(IdentifyTest, SaysWhenTheProcessRunsAnOlderFile) {
  EXPECT_FALSE(Identify(Facts("/usr/sbin/shopd", "shopd")).replaced);
  ProcessFacts facts = Facts("/usr/sbin/shopd (deleted)", "shopd");
  EXPECT_TRUE(Identify(facts).replaced);
  facts = Facts("/usr/bin/python3.11 (deleted)", "python3 app.py", "/srv/shop");
  EXPECT_FALSE(Identify(facts).replaced) << "its interpreter was, the script was not";
}

TEST_F(IdentifyTest, AContainersImageNamesAndExplainsWhatNoPackageDoes) {
  const std::string id(64, 'd');
  fake_.Write(absl::StrCat("/var/lib/docker/containers/", id, "/config.v2.json"),
              R"({"Name": "/shop-db-1", "Image": "sha256:11", "Config": {"Image": "database:16"}})");
  fake_.Write("/var/lib/docker/image/overlay2/repositories.json",
              R"({"Repositories": {"database": {"database:16": "sha256:11", "database@sha256:2": "sha256:11"}}})");
  FakeRoot inside;
  inside.Write("/usr/local/bin/database", "vendor's bytes");
  ProcessFacts facts = Facts("/usr/local/bin/database", "database", "/", "/docker/" + id);
  facts.root = inside.path();
  const Identity vendor = Identify(facts);
  EXPECT_EQ(vendor.name, "database");
  EXPECT_EQ(vendor.slot, "shop-db-1");
  EXPECT_EQ(vendor.name_source, NameSource::kContainer);
  EXPECT_EQ(vendor.version, "16");
  EXPECT_EQ(vendor.origin, CodeOrigin::kOffTheShelf);
  EXPECT_EQ(vendor.evidence[0].kind, "image");

  fake_.Write("/var/lib/docker/image/overlay2/repositories.json",
              R"({"Repositories": {"database": {"database:16": "sha256:11"}}})");
  EXPECT_EQ(Identify(facts).origin, CodeOrigin::kInHouse);
}

TEST_F(IdentifyTest, AContainersPackagesAreThoseOfItsOwnRoot) {
  FakeRoot inside;
  inside.Write("/etc/os-release", "ID=distro\n");
  inside.Install("cached", "1.6-1", "cached", {{"/usr/bin/cached", "cached bytes"}});
  ProcessFacts facts = Facts("/usr/bin/cached", "cached", "/", "/docker/" + std::string(64, 'e'));
  facts.root = inside.path();
  const Identity identity = Identify(facts);
  EXPECT_EQ(identity.name, "cached");
  EXPECT_EQ(identity.origin, CodeOrigin::kOffTheShelf);
  EXPECT_EQ(identity.slot, "eeeeeeeeeeee");
}

TEST_F(IdentifyTest, KernelThreadsAndHiddenProgramsAreUnknown) {
  ProcessFacts facts;
  facts.comm = "kworker/0:1";
  const Identity identity = Identify(facts);
  EXPECT_EQ(identity.name, "kworker/0:1");
  EXPECT_EQ(identity.origin, CodeOrigin::kUnknown);
  EXPECT_EQ(Identify(ProcessFacts()).name, "unnamed");
}

TEST_F(IdentifyTest, WithoutAPackageDatabaseTheAnswerIsUnsure) {
  FakeRoot bare;
  bare.Write("/usr/bin/x", "x");
  const auto identifier = Identifier::Create(bare.path()).value();
  EXPECT_LE(identifier->Identify(Facts("/usr/bin/x", "x")).confidence, 0.5);
  EXPECT_FALSE(Identifier::Create(bare.path() + "/none").ok());
}

TEST_F(IdentifyTest, WhatItSaysIsPrintableAndBounded) {
  std::mt19937 random(13);
  for (int round = 0; round < 200; ++round) {
    const auto text = [&random](size_t max) {
      std::string out;
      for (size_t i = random() % max; i > 0; --i) {
        out.push_back(static_cast<char>(random()));
      }
      return out;
    };
    ProcessFacts facts = Facts(round % 2 == 0 ? "/usr/bin/python3.11" : "/" + text(300), text(2'000), "/" + text(300),
                               "/system.slice/" + text(200) + ".service");
    facts.comm = text(20);
    const Identity identity = Identify(facts);
    EXPECT_LE(identity.name.size(), 128u);
    for (const std::string& said : {identity.name, identity.slot, identity.name_evidence, identity.evidence[0].text}) {
      EXPECT_LE(said.size(), 200u);
      EXPECT_EQ(EscapeForDisplay(said), said) << "nothing is left to escape";
    }
  }
}

TEST_F(IdentifyTest, NamesThatDifferStayTwo) {
  const std::string many(300, 'n');
  const std::string programs[] = {"日bin",
                                  "本bin",
                                  "___bin",
                                  "\xe6\x97"
                                  "bin",
                                  "\xe6\x98"
                                  "bin",
                                  "esc\x1b",
                                  "esc\\x1b",
                                  "esc\\\\x1b",
                                  "esc_",
                                  many,
                                  many + "n",
                                  std::string(128, 'n'),
                                  "zero\u200B",
                                  "zero",
                                  "~other",
                                  "\\x7eother",
                                  "other",
                                  " ",
                                  "\\x20",
                                  "~" + many,
                                  "~" + many + "n"};
  std::set<std::string> names;
  for (const std::string& program : programs) {
    const Identity identity = Identify(Facts("/opt/shop/" + program, program, "/"));
    EXPECT_LE(identity.name.size(), 128u);
    names.insert(identity.name);
  }
  EXPECT_EQ(names.size(), std::size(programs)) << ::testing::PrintToString(names);
  EXPECT_TRUE(names.contains("日bin"));
  EXPECT_TRUE(names.contains("esc\\x1b"));
  EXPECT_TRUE(names.contains("esc\\\\x1b"));
  EXPECT_TRUE(names.contains(std::string(128, 'n'))) << "what fits stays as it is";
  EXPECT_TRUE(names.contains("\\x7eother")) << "names that begin with ~ are ours";
  EXPECT_TRUE(names.contains("\\x20")) << "a name can be seen";
}

TEST_F(IdentifyTest, ScriptsDirectoriesAndUnitsThatDifferStayTwo) {
  for (const char* path : {"/srv/日店/app.py", "/srv/本店/app.py", "/srv/jobs/日次.py", "/srv/jobs/本次.py"}) {
    fake_.Write(path, "pass");
  }
  EXPECT_EQ(Identify(Facts("/usr/bin/python3.11", "python3 app.py", "/srv/日店")).name, "日店");
  EXPECT_EQ(Identify(Facts("/usr/bin/python3.11", "python3 app.py", "/srv/本店")).name, "本店");
  EXPECT_EQ(Identify(Facts("/usr/bin/python3.11", "python3 日次.py", "/srv/jobs")).name, "日次");
  EXPECT_EQ(Identify(Facts("/usr/bin/python3.11", "python3 本次.py", "/srv/jobs")).name, "本次");
  const Identity unit = Identify(Facts("/opt/shop/shopd", "shopd", "/", "/system.slice/shop\\x2d\xff@\xfe.service"));
  EXPECT_EQ(unit.name, "shop-\\xff");
  EXPECT_EQ(unit.slot, "\\xfe");
  EXPECT_EQ(EscapeForDisplay(unit.unit), unit.unit) << "what is sent is UTF-8";
}

TEST(ProcessFactsOfThisProcess, AreRead) {
  const auto facts = ReadProcessFacts("/proc", getpid());
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->pid, getpid());
  EXPECT_TRUE(absl::EndsWith(facts->exe, "identify_test")) << facts->exe;
  EXPECT_FALSE(facts->argv.empty());
  EXPECT_EQ(facts->uid, geteuid());
  EXPECT_EQ(facts->root, "");
  const auto identifier = Identifier::Create("/").value();
  const Identity identity = identifier->Identify(*facts);
  EXPECT_EQ(identity.origin, CodeOrigin::kInHouse);
}

TEST(ProcessFactsOfThisProcess, OfOneThatEndedAreNotFound) {
  const pid_t child = fork();
  if (child == 0) {
    _exit(0);
  }
  waitpid(child, nullptr, 0);
  EXPECT_EQ(ReadProcessFacts("/proc", child).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace ppmm
