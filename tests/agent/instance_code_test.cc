#include "agent/instance_code.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace ppmm {
namespace {

class InstanceCodeTest : public ::testing::Test {
 protected:
  static InstanceCode::Seen Seen(const std::string& code, const std::string& version, const std::string& digest,
                                 std::int64_t start_s = 0, const std::string& product = "") {
    InstanceCode::Seen seen;
    seen.code = code;
    seen.record.set_executable(code);
    seen.record.set_version(version);
    seen.record.set_code_digest(digest);
    seen.record.set_product(product);
    seen.start_ns = start_s * 1'000'000'000;
    seen.started = absl::FromUnixSeconds(start_s);
    return seen;
  }
  // Of the interpreter, without a file.
  static InstanceCode::Seen OneLiner(const std::string& interpreter, std::int64_t start_s) {
    InstanceCode::Seen seen = Seen(interpreter + " /srv/work", "", "", start_s);
    seen.in_file = false;
    seen.record.set_origin_guess(wire::ORIGIN_IN_HOUSE);
    seen.record.set_origin_confidence(0.6);
    return seen;
  }

  // One step in which `alive` run. What is told goes to told_.
  void Step(const std::set<std::size_t>& alive, int seconds = 1) {
    now_ += absl::Seconds(seconds);
    for (const std::size_t part : alive) {
      code_.NoteAlive(part, now_);
    }
    std::optional<InstanceCode::Release> release;
    code_.Settle(now_, &release);
    if (release.has_value()) {
      told_.push_back(absl::StrCat(release->previous_version, "/", release->previous_code_digest, " > ",
                                   release->version, "/", release->code_digest));
    }
  }
  std::size_t Add(const InstanceCode::Seen& seen) { return code_.Add(seen, now_); }

  InstanceCode code_;
  absl::Time now_ = absl::FromUnixSeconds(1'000'000);
  std::vector<std::string> told_;
};

TEST_F(InstanceCodeTest, TellsOneReleaseWhenTheSameCodeChanged) {
  const std::size_t part = Add(Seen("/usr/sbin/shopd", "1.0", "aa"));
  Step({part});
  Add(Seen("/usr/sbin/shopd", "1.1", "bb", 5));
  Add(Seen("/usr/sbin/shopd", "1.1", "bb", 6));
  Step({part});
  Add(Seen("/usr/sbin/shopd", "1.1", "bb", 7));
  Step({part});
  EXPECT_EQ(told_, std::vector<std::string>{"1.0/aa > 1.1/bb"});
  EXPECT_EQ(code_.record().version(), "1.1");
}

TEST_F(InstanceCodeTest, TellsOwnCodeWithoutAVersionByItsBytes) {
  const std::size_t part = Add(Seen("/srv/shop/app.py", "", "aa"));
  Step({part});
  Add(Seen("/srv/shop/app.py", "", "bb"));
  Step({part});
  EXPECT_EQ(told_, std::vector<std::string>{"/aa > /bb"});
}

TEST_F(InstanceCodeTest, ToKnowLessOrMoreOfTheSameBytesIsNoRelease) {
  const std::size_t part = Add(Seen("/usr/sbin/shopd", "", "aa"));
  Step({part});
  Add(Seen("/usr/sbin/shopd", "1.0", "aa"));
  Step({part});
  EXPECT_EQ(code_.record().version(), "1.0") << "it was learned";
  for (const auto& [version, digest] : {std::pair{"", "aa"}, {"", ""}, {"1.0", ""}}) {
    Add(Seen("/usr/sbin/shopd", version, digest));
    Step({part});
    EXPECT_EQ(code_.record().version(), "1.0");
    EXPECT_EQ(code_.record().code_digest(), "aa");
  }
  EXPECT_TRUE(told_.empty());
}

TEST_F(InstanceCodeTest, OtherBytesWithoutAVersionAreAnotherProgramInTheSamePlace) {
  const std::size_t part = Add(Seen("/usr/sbin/shopd", "1.0", "aa", 0, "shopd"));
  Step({part});
  Add(Seen("/usr/sbin/shopd", "", "bb"));
  Step({part});
  EXPECT_TRUE(told_.empty()) << "never from a version to none";
  EXPECT_EQ(code_.record().product(), "") << "it is what runs now";
}

TEST_F(InstanceCodeTest, AProcessThatStillRunsTheOldFileTellsNothing) {
  const std::size_t part = Add(Seen("/opt/shop/shopd", "", "aa"));
  Step({part});
  Add(Seen("/opt/shop/shopd", "", "bb", 5));
  InstanceCode::Seen child = Seen("/opt/shop/shopd", "", "aa", 6);  // of the old master
  child.replaced = true;
  for (int i = 0; i < 3; ++i) {
    Add(child);
    Step({part});
  }
  EXPECT_EQ(told_, std::vector<std::string>{"/aa > /bb"});
  EXPECT_EQ(code_.record().code_digest(), "bb");
}

TEST_F(InstanceCodeTest, TheFirstLookAtAReplacedProgramIsTheBaseOfTheNext) {
  InstanceCode::Seen old = Seen("/usr/sbin/shopd", "", "aa");
  old.replaced = true;
  const std::size_t part = Add(old);
  Step({part});
  Add(Seen("/usr/sbin/shopd", "1.1", "bb", 5));
  Step({part});
  EXPECT_EQ(told_, std::vector<std::string>{"/aa > 1.1/bb"});
}

TEST_F(InstanceCodeTest, WhoServesSpeaksThenAFileThenTheOldest) {
  const std::size_t inline_code = Add(OneLiner("/usr/bin/bash", 1));
  Step({inline_code});
  EXPECT_EQ(code_.record().executable(), "/usr/bin/bash /srv/work");
  const std::size_t helper = Add(Seen("/usr/bin/helper", "9", "hh", 3));
  Step({inline_code, helper});
  EXPECT_EQ(code_.record().executable(), "/usr/bin/helper");
  const std::size_t elder = Add(Seen("/usr/bin/elder", "8", "ee", 2));
  Step({inline_code, helper, elder});
  EXPECT_EQ(code_.record().executable(), "/usr/bin/elder");
  const std::size_t server = Add(Seen("/srv/work/server", "1", "ss", 4));
  code_.NoteListening(server);
  Step({inline_code, helper, elder, server});
  EXPECT_EQ(code_.record().executable(), "/srv/work/server");
  EXPECT_TRUE(told_.empty()) << "what runs beside each other is no release of each other";
  Add(Seen("/usr/bin/helper", "10", "h2", 5));
  Step({inline_code, helper, elder, server});
  EXPECT_TRUE(told_.empty()) << "nor is a new helper a new server";
}

TEST_F(InstanceCodeTest, WhoSpeaksDoesNotDependOnTheOrderOfLooking) {
  std::vector<InstanceCode::Seen> all = {Seen("/srv/work/a", "1", "aa", 3), Seen("/srv/work/b", "2", "bb", 3),
                                         Seen("/srv/work/c", "3", "cc", 9), OneLiner("/usr/bin/bash", 1),
                                         OneLiner("/usr/bin/python3", 2)};
  std::vector<std::size_t> order(all.size());
  std::iota(order.begin(), order.end(), 0);
  do {
    code_ = InstanceCode();
    std::set<std::size_t> alive;
    for (const std::size_t i : order) {
      alive.insert(Add(all[i]));
      Step(alive);
    }
    ASSERT_EQ(code_.record().executable(), "/srv/work/a");
    ASSERT_TRUE(told_.empty());
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_F(InstanceCodeTest, OneLinersThatComeAndGoAreNoReleaseAndOneOrigin) {
  std::set<std::size_t> alive;
  for (int i = 0; i < 200; ++i) {
    const std::size_t part = Add(OneLiner(i % 3 == 0 ? "/usr/bin/bash" : "/opt/python/bin/python3", 10 + i));
    if (i % 2 == 0) {
      alive.clear();
    }
    alive.insert(part);
    Step(alive, i % 7 == 0 ? 61 : 1);
    EXPECT_EQ(code_.record().origin_guess(), wire::ORIGIN_IN_HOUSE);
    EXPECT_EQ(code_.record().version(), "");
  }
  EXPECT_TRUE(told_.empty());
}

TEST_F(InstanceCodeTest, ARestartKeepsItsPlaceAndItsRelease) {
  const std::size_t server = Add(Seen("/srv/shop/server", "1.0", "aa", 1));
  const std::size_t helper = Add(Seen("/usr/bin/tail", "9.1", "tt", 2));
  Step({server, helper});
  for (int i = 0; i < 30; ++i) {
    Step({helper});  // the server is down
    EXPECT_EQ(code_.record().version(), "1.0");
  }
  Add(Seen("/srv/shop/server", "1.1", "bb", 40));
  Step({server, helper});
  EXPECT_EQ(told_, std::vector<std::string>{"1.0/aa > 1.1/bb"});
  for (int i = 0; i < 70; ++i) {
    Step({helper});
  }
  EXPECT_EQ(code_.record().version(), "9.1") << "what is gone for good speaks no more";
  EXPECT_EQ(told_.size(), 1u);
}

TEST_F(InstanceCodeTest, AnUpgradeMayComeToAnotherPathButNeighboursAreNoUpgrade) {
  const std::int64_t start = absl::ToUnixSeconds(now_);
  const std::size_t old = Add(Seen("/usr/lib/db/15/db", "15.7", "aa", start, "db"));
  const std::size_t beside = Add(Seen("/usr/lib/db/14/db", "14.9", "bb", start + 1, "db"));
  for (int i = 0; i < 5; ++i) {
    Step({old, beside});
  }
  for (int i = 0; i < 70; ++i) {
    Step({beside});
  }
  EXPECT_EQ(code_.record().version(), "14.9");
  EXPECT_TRUE(told_.empty()) << "they ran beside each other";
  const std::size_t next = Add(Seen("/usr/lib/db/16/db", "16.1", "cc", absl::ToUnixSeconds(now_) + 1, "db"));
  for (int i = 0; i < 70; ++i) {
    Step({next});
  }
  EXPECT_EQ(told_, std::vector<std::string>{"14.9/bb > 16.1/cc"});
}

TEST_F(InstanceCodeTest, KeepsABoundedNumberAndForgetsWhatEnded) {
  std::set<std::size_t> alive;
  for (std::size_t i = 0; i < InstanceCode::kMaxParts; ++i) {
    alive.insert(Add(Seen(absl::StrCat("/srv/job", i), "1", "aa", static_cast<std::int64_t>(i))));
  }
  Step(alive);
  EXPECT_EQ(Add(Seen("/srv/more", "1", "aa")), InstanceCode::kNoPart);
  code_.NoteAlive(InstanceCode::kNoPart, now_);
  code_.NoteListening(InstanceCode::kNoPart);
  alive.erase(7);
  for (int i = 0; i < 61; ++i) {
    Step(alive);
  }
  EXPECT_EQ(Add(Seen("/srv/more", "1", "aa", 99)), 7u);
  Step(alive);
  EXPECT_EQ(code_.record().executable(), "/srv/job0");
}

}  // namespace
}  // namespace ppmm
