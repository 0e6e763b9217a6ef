// Tells systemd how a daemon is: ready, alive, stopping. Without systemd each call does nothing.
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "common/environment.h"

namespace ppmm {

// Thread-safe: immutable; each call is one datagram.
// Source: sd_notify(3), sd_watchdog_enabled(3).
class SdNotify {
 public:
  explicit SdNotify(const Environment& environment = ProcessEnvironment);

  bool enabled() const { return !socket_.empty(); }

  // Errors: of the system when systemd listens and the datagram cannot be sent; OK when nobody asked for it. Never
  //         blocks.
  absl::Status Ready() const { return Send("READY=1"); }
  absl::Status Watchdog() const { return Send("WATCHDOG=1"); }
  absl::Status Stopping() const { return Send("STOPPING=1"); }
  // One line; line breaks in it become blanks, so that it cannot set another field.
  absl::Status Status(absl::string_view text) const;

  // How often to call Watchdog(): half of what systemd waits. Nothing when it doesn't watch this process.
  std::optional<absl::Duration> watchdog_period() const { return watchdog_period_; }

 private:
  absl::Status Send(absl::string_view message) const;

  std::string socket_;
  std::optional<absl::Duration> watchdog_period_;
};

}  // namespace ppmm
