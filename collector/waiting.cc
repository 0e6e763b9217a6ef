#include "collector/waiting.h"

#include <sys/statvfs.h>

#include <utility>

#include "absl/strings/str_cat.h"

#include "collector/api.h"
#include "collector/http/access.h"
#include "collector/http/router.h"
#include "collector/http/server.h"
#include "collector/places.h"
#include "collector/self_numbers.h"
#include "collector/state.h"
#include "collector/store/sqlite_store.h"
#include "common/data_lock.h"
#include "common/status.h"
#include "common/version.h"

namespace ppmm {
namespace {

bool IsReadOnly(const std::string& directory) {
  struct statvfs found {};
  return statvfs(directory.c_str(), &found) == 0 && (found.f_flag & ST_RDONLY) != 0;
}

}  // namespace

bool MayPass(const absl::Status& status, const config::CollectorConfig& config) {
  return absl::IsResourceExhausted(status) || (absl::IsFailedPrecondition(status) && IsReadOnly(config.data()));
}

class WaitingForStore::Impl {
 public:
  Impl(const config::CollectorConfig& config, const Clock* clock) : config_(config) {
    context_.state = &state_;
    context_.clock = clock;
    context_.rating = &rating_;
    context_.self = [this] { return Self(); };
    context_.reader = [this]() -> absl::StatusOr<std::unique_ptr<StoreReader>> { return state_.Readiness(); };
    context_.organization = [this] { return config_.organization(); };
    context_.inventory = [] { return std::make_shared<const Inventory>(); };
    router_.SetNames(http::AllowedNames(HttpNames(config_)));
    AddRoutes(router_, context_);
    http_ = std::make_unique<http::Server>(http::ServerOptions{},
                                           [this](http::Request& request) { return router_.Handle(request); });
  }

  absl::Status Start(const absl::Status& why) {
    Say(why);
    RETURN_IF_ERROR(http_->ListenTcp(config_.http().listen(), "--http-listen"));
    http_->Start();
    return absl::OkStatus();
  }

  absl::Status Try() {
    DataLock lock;  // until the store is closed
    absl::Status status = TakeDataDirectory(config_, &lock);
    if (status.ok()) {
      status = OpenSqliteStore(StorePath(config_)).status();
    }
    if (!status.ok()) {
      Say(status);
    }
    return status;
  }

  int http_port() const { return http_->port(); }

 private:
  void Say(const absl::Status& why) {
    state_.SetReadiness(absl::Status(why.code(), absl::StrCat("cannot open the store: ", why.message())));
  }

  SelfNumbers Self() const {
    SelfNumbers self;
    self.version = kVersion;
    self.data_directory = config_.data();
    self.store_bytes = ReadFileSizes(StorePath(config_));
    self.disk_free_bytes = ReadDiskFree(config_.data());
    self.process = ReadProcessNumbers();
    self.components.push_back({"store", false, std::string(state_.Readiness().message()), ""});
    return self;
  }

  class NoRating : public RatingSource {
   public:
    absl::StatusOr<std::shared_ptr<const RatingSnapshot>> Current() const override {
      return absl::UnavailableError("nothing is rated while the store cannot be opened");
    }
  };

  const config::CollectorConfig config_;
  State state_;  // nothing is known
  const NoRating rating_;
  ViewContext context_;
  http::Router router_;
  std::unique_ptr<http::Server> http_;  // last: its threads read the rest
};

absl::StatusOr<std::unique_ptr<WaitingForStore>> WaitingForStore::Start(const config::CollectorConfig& config,
                                                                        const Clock* clock, const absl::Status& why) {
  auto impl = std::make_unique<Impl>(config, clock);
  RETURN_IF_ERROR(impl->Start(why));
  return std::unique_ptr<WaitingForStore>(new WaitingForStore(std::move(impl)));
}

WaitingForStore::WaitingForStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
WaitingForStore::~WaitingForStore() = default;
absl::Status WaitingForStore::Try() {
  return impl_->Try();
}
int WaitingForStore::http_port() const {
  return impl_->http_port();
}

}  // namespace ppmm
