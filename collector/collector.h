// The collector's parts, joined: ingest -> writer -> facts -> rating -> views. main.cc owns one.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "common/clock.h"
#include "proto/collector_config.pb.h"

namespace ppmm {

// What an operator says at one start.
struct CollectorStart {
  bool restored = false;      // the store was set back; it begins anew before anybody reads it
  bool accept_clock = false;  // the clock is right, whatever the store or agents say (store_time.h)
};

// One thread, but for the ports and StatusLine().
class Collector {
 public:
  // Opens the store, loads the state, listens. `clock` outlives the collector.
  //
  // Errors: those of the store; AlreadyExists: an address is taken, the text says by whom and which flag cures it;
  //         InvalidArgument: certificates, addresses or the inventory cannot be used.
  static absl::StatusOr<std::unique_ptr<Collector>> Start(const config::CollectorConfig& config, const Clock* clock,
                                                          CollectorStart how = {});
  ~Collector();

  // Once a second: tells the writer which declared names are not kept yet, and
  // whether the service manager's watchdog heard our sign of life.
  void Tick(bool heard);

  // Ends streams and answers under way within `timeout`, then commits what waits.
  void Stop(absl::Duration timeout);

  // Takes a configuration that was read anew, with the inventory that it names: what needs no restart, at once. An
  // error of either changes nothing and stays in `status` until a reload succeeds.
  //
  // Shape:  returns the paths of what waits for a restart.
  // Errors: that of `config`; InvalidArgument: the inventory.
  absl::StatusOr<std::vector<std::string>> Reload(const absl::StatusOr<config::CollectorConfig>& config);

  int http_port() const;
  int grpc_port() const;
  // One line for systemd.
  std::string StatusLine() const;

 private:
  class Impl;
  explicit Collector(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ppmm
