#include "tests/world/organization_run.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace ppmm {
namespace {

constexpr int kCommitMinutes = 10;

}  // namespace

const std::vector<std::string>& ComputedRows() {
  static const std::vector<std::string> kRows = {"INV-001", "INV-002", "MON-001", "MON-002", "MON-003", "MON-004",
                                                 "MON-005", "CAP-001", "RSP-001", "RSP-002", "RSP-003", "RSP-005",
                                                 "RSP-101", "IMP-101", "DEP-001", "REL-002"};
  return kRows;
}

RatingRecord Record(const RatingSnapshot& snapshot) {
  RatingRecord record;
  record.rating = snapshot.rating_json;
  record.activities = snapshot.activities_json;
  for (const std::string& id : ComputedRows()) {
    const absl::StatusOr<std::string> json = snapshot.activity_json(id);
    EXPECT_TRUE(json.ok()) << json.status();
    record.activity[id] = json.ok() ? *json : "";
  }
  return record;
}

OrganizationRun::OrganizationRun(OrganizationScript script, std::string path, bool forgets)
    : script_(std::move(script)),
      path_(std::move(path)),
      forgets_(forgets),
      clock_(absl::FromUnixSeconds(kWorldBegin)) {
  for (const char* suffix : {"", "-wal", "-shm"}) {
    std::filesystem::remove(path_ + suffix);
  }
  for (std::size_t i = 0; i < script_.size(); ++i) {
    const auto machine = std::find_if(script_.begin(), script_.end(), [&](const HostScript& host) {
      return host.name == (script_[i].clones.empty() ? script_[i].name : script_[i].clones);
    });
    EXPECT_NE(machine, script_.end()) << script_[i].name;
    agents_.push_back(std::make_unique<WorldAgent>(&script_[i], static_cast<int>(machine - script_.begin()) + 1,
                                                   static_cast<int>(i) + 1));
  }
  StartCollector();
}

const WorldAgent& OrganizationRun::agent(absl::string_view name) const {
  const auto found = std::find_if(agents_.begin(), agents_.end(), [name](const auto& a) { return a->name() == name; });
  EXPECT_NE(found, agents_.end()) << name;
  return **found;
}

void OrganizationRun::ConnectAgents() {
  bool connected = false;
  for (const auto& agent : agents_) {
    if (agent->wants_stream()) {
      agent->Connect(clock_, &collector_->queue(), &collector_->counters());
      connected = true;
    }
  }
  if (connected) {
    Commit();
  }
}

void OrganizationRun::Commit() {
  const absl::Status status = collector_->Commit();
  ASSERT_TRUE(status.ok()) << status;
  for (const auto& agent : agents_) {
    agent->Exchange(clock_);
  }
}

void OrganizationRun::Rate(int minute) {
  const absl::Status rated = collector_->Rate();
  ASSERT_TRUE(rated.ok()) << rated;
  const int day = minute / 1440;
  if (minute == At(day, 12)) {
    at_noon_[day] = Record(**collector_->engine().Current());
  } else if (const auto closed = collector_->engine().OfClosedDay(); closed != nullptr) {
    of_day_[day - 1] = Record(*closed);
  }
}

void OrganizationRun::LiveUntil(int minute) {
  for (; minute_ < minute; ++minute_) {
    for (const auto& agent : agents_) {
      agent->Begin(minute_);
    }
    if (collector_ != nullptr) {
      ConnectAgents();
    }
    clock_.Advance(absl::Minutes(1));
    for (const auto& agent : agents_) {
      agent->Live(minute_);
      agent->Exchange(clock_);
    }
    const int now = minute_ + 1;
    if (collector_ == nullptr || now % kCommitMinutes != 0) {
      continue;
    }
    Commit();
    if (now % 1440 == 10 || (rates_at_noon_ && now % 1440 == At(0, 12))) {
      Rate(now);
    }
  }
}

void OrganizationRun::StopCollector() {
  for (const auto& agent : agents_) {
    agent->Disconnect();
  }
  collector_.reset();
}

void OrganizationRun::StartCollector() {
  absl::StatusOr<std::unique_ptr<WorldCollector>> collector = WorldCollector::Open(path_, &clock_, 400, forgets_);
  ASSERT_TRUE(collector.ok()) << collector.status();
  collector_ = *std::move(collector);
}

void OrganizationRun::RestartCollector() {
  StopCollector();
  StartCollector();
}

void OrganizationRun::KillCollectorAt(const std::string& failpoint) {
  StopCollector();
  const pid_t child = fork();
  if (child == 0) {
    StartCollector();
    ConnectAgents();  // greeted, so what they keep is queued now
    setenv("PPMM_FAILPOINT", failpoint.c_str(), 1);
    Commit();
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  StartCollector();
}

}  // namespace ppmm
