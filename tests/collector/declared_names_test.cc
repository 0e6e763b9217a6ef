#include "collector/declared_names.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/testing/collector_rig.h"
#include "tests/testing/faulty_store.h"

namespace ppmm {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

using Names = std::vector<std::pair<std::string, std::string>>;  // what was found, and how it is to be shown

std::shared_ptr<const Inventory> Saying(const Names& names) {
  config::Inventory said;
  for (const auto& [application, name] : names) {
    config::DeclaredApplication* one = said.add_applications();
    one->set_application(application);
    one->set_name(name);
  }
  return std::make_shared<const Inventory>(said, "inventory.yaml");
}

// ---- what is missing

Tables Found() {
  Tables tables;
  ApplicationId id = 0;
  for (const char* const group : {"default", "shop"}) {
    for (const char* const name : {"checkout", "nginx"}) {
      ApplicationRow& row = tables.applications[++id].row;
      row = {id, absl::StrCat(group, "/", name), group, name, 0};
      tables.application_by_key[row.key] = id;
    }
  }
  return tables;
}

// "1 Checkout"
std::vector<std::string> Missing(const Tables& tables, const Names& names, bool also_gone = true) {
  std::vector<std::string> rows;
  for (const ApplicationAliasRow& row : MissingAliases(tables, *Saying(names), also_gone, 17)) {
    EXPECT_EQ(row.valid_from_us, 17);
    rows.push_back(absl::StrCat(row.application, " ", row.display_name));
  }
  return rows;
}

TEST(MissingAliasesTest, ANameIsMeantByItsKeyOrInGroupDefaultWithoutTheGroup) {
  EXPECT_THAT(Missing(Found(), {{"checkout", "Till"}, {"default/nginx", "Front door"}, {"shop/nginx", "Shop"}}),
              UnorderedElementsAre("1 Till", "2 Front door", "4 Shop"));
  EXPECT_THAT(Missing(Found(), {{"nowhere", "Nobody"}, {"shop", "Nobody"}}), IsEmpty());
}

TEST(MissingAliasesTest, TheNameThatWasFoundNeedsNoRow) {
  EXPECT_THAT(Missing(Found(), {{"checkout", "checkout"}, {"nginx", ""}}), IsEmpty());
}

TEST(MissingAliasesTest, TheNameInForceNeedsNoRowAndAnotherOneDoes) {
  Tables tables = Found();
  tables.applications[1].display_name = "Till";
  EXPECT_THAT(Missing(tables, {{"checkout", "Till"}}), IsEmpty());
  EXPECT_THAT(Missing(tables, {{"checkout", "Checkout"}}), ElementsAre("1 Checkout"));
}

TEST(MissingAliasesTest, ANameThatIsNoLongerDeclaredGivesWayToTheOneThatWasFound) {
  Tables tables = Found();
  tables.applications[1].display_name = "Till";
  for (const Names& names : {Names{}, Names{{"checkout", ""}}, Names{{"checkout", "checkout"}}}) {
    EXPECT_THAT(Missing(tables, names), ElementsAre("1 "));
    EXPECT_THAT(Missing(tables, names, /*also_gone=*/false), IsEmpty());
  }
}

// ---- keeping it; each rig is a real store, hence few of them

// A second passes.
void Commit(CollectorRig& rig, DeclaredNames& names) {
  rig.clock().Advance(absl::Seconds(1));
  rig.Commit();  // store time goes on
  names.Keep();
  rig.Commit();
}

std::string NameOf(CollectorRig& rig, const std::string& key) {
  ReaderLock lock(&rig.state().mutex());
  const Tables& tables = rig.state().tables();
  const auto id = tables.application_by_key.find(key);
  return id == tables.application_by_key.end() ? "" : tables.applications.at(id->second).name();
}

// In order of time.
std::vector<std::string> Rows(CollectorRig& rig) {
  std::vector<std::string> rows;
  const absl::StatusOr<StoreContents> contents = rig.store().LoadContents();
  EXPECT_TRUE(contents.ok()) << contents.status();
  for (const ApplicationAliasRow& row : contents->application_aliases) {
    rows.push_back(row.display_name);
  }
  return rows;
}

TEST(DeclaredNamesTest, ANameHoldsFromThenOnAndAfterARestartUntilAnotherOneIsDeclared) {
  CollectorRig rig;
  BatchBuilder agent(1);
  agent.AddInstance("checkout");
  rig.Connect(agent);
  rig.Commit();
  auto names = std::make_unique<DeclaredNames>(&rig.state(), &rig.writer());
  names->Set(Saying({{"checkout", "Checkout"}, {"late", "Latecomer"}}));
  Commit(rig, *names);
  Commit(rig, *names);
  EXPECT_EQ(NameOf(rig, "default/checkout"), "Checkout");
  EXPECT_THAT(Rows(rig), ElementsAre("Checkout")) << "the same name is no row of its own";

  BatchBuilder other(2);
  other.AddInstance("late");
  rig.Connect(other);
  rig.Commit();
  Commit(rig, *names);
  EXPECT_EQ(NameOf(rig, "default/late"), "Latecomer") << "as soon as the application is found";

  rig.clock().JumpWall(-absl::Hours(1));
  names->Set(Saying({{"checkout", "Till"}}));
  Commit(rig, *names);
  EXPECT_EQ(NameOf(rig, "default/checkout"), "Till");
  const std::string before = rig.Dump();
  names.reset();
  rig.Restart();
  EXPECT_EQ(rig.Dump(), before);
  EXPECT_EQ(NameOf(rig, "default/checkout"), "Till") << "a clock that was set back makes no name old";
  EXPECT_EQ(NameOf(rig, "default/late"), "late") << "the name was taken away";
}

TEST(DeclaredNamesTest, ANameThatWasTakenAwayWhileItsApplicationWasDormantDoesNotComeBackWithIt) {
  CollectorRig rig;
  const absl::Status made = rig.writer().SubmitAndWait([](Tables& tables, Store& store) -> absl::Status {
    tables.last_application = 7;
    store.Put(ApplicationRow{7, "default/checkout", "default", "checkout", 1}).IgnoreError();
    store.Put(ApplicationAliasRow{7, "Till", 1}).IgnoreError();
    return store.PutDormantApplication(7);
  });
  ASSERT_TRUE(made.ok()) << made;
  DeclaredNames names(&rig.state(), &rig.writer());
  names.Set(Saying({}));
  Commit(rig, names);
  BatchBuilder agent(1);
  agent.AddInstance("checkout");
  rig.Connect(agent);
  rig.Commit();
  EXPECT_EQ(NameOf(rig, "default/checkout"), "Till");
  Commit(rig, names);
  EXPECT_EQ(NameOf(rig, "default/checkout"), "checkout");
}

TEST(DeclaredNamesTest, WhatCouldNotBeCommittedIsTriedAgainAndAskedForOnceAtATime) {
  StoreFault fault;
  CollectorRig rig(
      [&fault](std::unique_ptr<Store> store) { return std::make_unique<FaultyStore>(std::move(store), &fault); });
  BatchBuilder agent(1);
  agent.AddInstance("checkout");
  rig.Connect(agent);
  rig.Commit();
  DeclaredNames names(&rig.state(), &rig.writer());
  names.Set(Saying({{"checkout", "Checkout"}}));
  fault.commit = absl::UnavailableError("disk full");
  names.Keep();
  EXPECT_FALSE(rig.writer().CommitOnce().ok());
  names.Keep();  // nothing can be committed: nothing is asked for
  fault.commit = absl::OkStatus();
  rig.Commit();
  EXPECT_THAT(Rows(rig), IsEmpty());
  names.Keep();
  names.Set(Saying({{"checkout", "Till"}}));
  names.Keep();  // the first is not answered yet
  rig.Commit();
  EXPECT_THAT(Rows(rig), ElementsAre("Checkout"));
  Commit(rig, names);
  EXPECT_THAT(Rows(rig), ElementsAre("Checkout", "Till"));
}

}  // namespace
}  // namespace ppmm
