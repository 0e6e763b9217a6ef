#include "collector/application_list.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ppmm {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ApplicationListTest : public testing::Test {
 protected:
  // One that runs and does nothing else.
  ApplicationView& Add(const std::string& name) {
    ApplicationView view;
    view.key = "default/" + name;
    view.instances = 1;
    view.newest_step = absl::ToUnixSeconds(now_);
    views_.applications.push_back(view);
    return views_.applications.back();
  }
  std::vector<std::string> Listed() {
    OrderForPeople(now_, &views_);
    std::vector<std::string> keys;
    for (const ApplicationView& view : views_.applications) {
      if (view.listed) {
        keys.push_back(view.key.substr(8));
      }
    }
    return keys;
  }

  const absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
  ApplicationViews views_;
};

TEST_F(ApplicationListTest, ListsWhatServesIsDeclaredOrUsesMuch) {
  Add("bash");
  Add("listens").ports = {80};
  ApplicationView& called = Add("called");
  called.throughput_of = "connections";
  called.throughput_per_second = 0.1;
  ApplicationView& client = Add("client");
  client.throughput_of = "bytes";
  client.throughput_per_second = 1000;
  Add("declared").declared_by = "inventory.yaml";
  Add("busy").use_share = kListedShare;
  Add("idle").use_share = kListedShare / 2;
  EXPECT_THAT(Listed(), ElementsAre("busy", "called", "declared", "listens"));
  EXPECT_EQ(NotListedInWords(views_), "3 more serve nobody, and use less than 1 % of a host or ended");
}

TEST_F(ApplicationListTest, WhatEndedGoesUnlessPeopleDeclareItOrItServedUntilNow) {
  const auto end = [&](ApplicationView& view, absl::Duration ago) {
    view.instances = 0;
    view.ports = {80};
    view.newest_step = absl::ToUnixSeconds(now_ - ago);
  };
  end(Add("one-shot"), absl::Minutes(1));
  end(Add("server"), absl::Minutes(9));
  views_.applications.back().line_of_business = true;
  end(Add("old"), absl::Minutes(11));
  views_.applications.back().line_of_business = true;
  end(Add("declared"), absl::Hours(24));
  views_.applications.back().declared_by = "inventory.yaml";
  EXPECT_THAT(Listed(), ElementsAre("server", "declared"));
  EXPECT_EQ(NotListedInWords(views_), "2 more serve nobody, and use less than 1 % of a host or ended; 1 of them rated");
}

TEST_F(ApplicationListTest, LineOfBusinessComesFirstThenWhatUsesMost) {
  const auto add = [&](const std::string& name, double cpu, double memory, bool rated) {
    ApplicationView& view = Add(name);
    view.ports = {80};
    view.cpu_cores = cpu;
    view.resident_memory_bytes = memory;
    view.line_of_business = rated;
  };
  add("a", 0.5, 1, false);
  add("b", 0.1, 2, true);
  add("c", 0.1, 3, true);
  add("d", 0.9, 0, false);
  add("e", 0.9, 0, false);
  EXPECT_THAT(Listed(), ElementsAre("c", "b", "d", "e", "a"));
  EXPECT_THAT(NotListedInWords(views_), IsEmpty());
}

}  // namespace
}  // namespace ppmm
