// The thread that sends what the spool holds and takes the collector's acknowledgements. What it does is in
// stream_logic.h; this turns the transport's callbacks and the clock into its events.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "agent/spool.h"
#include "agent/stream_logic.h"
#include "agent/transport.h"
#include "common/clock.h"
#include "common/mutex.h"

namespace ppmm {

// Thread-safe. Its thread calls the EpochOwner, and Spool::Tick once a second.
class Stream : private Transport::Listener {
 public:
  // `spool`, `owner` and `clock` outlive this. Takes the place of the spool's listener.
  Stream(StreamOptions options, Spool* spool, EpochOwner* owner, std::unique_ptr<Transport> transport,
         const Clock* clock);
  // Stops at once if Stop was not called.
  ~Stream() override;

  // Begins the thread.
  void Start();
  // Sends what waits in the current epoch and Goodbye (`reason`, for the collector's log), at most for `timeout`.
  // Returns when the thread has ended. What was not acknowledged stays in the spool.
  void Stop(absl::Duration timeout, absl::string_view reason);

  StreamStatus Status() const;

 private:
  // What came since the thread looked last; bounded, because the transport gives one of each.
  struct Mail {
    bool woken = false;
    bool written = false;
    std::optional<std::string> frame;
    std::optional<absl::Status> closed;
  };
  struct StopRequest {
    absl::Duration deadline;  // since boot
    std::string reason;
  };

  void OnFrame(std::string frame) override;
  void OnWritten() override;
  void OnClosed(absl::Status status) override;

  void Run();
  Mail WaitForMail(absl::Duration at_most);
  void TakeMail(Mail mail, StreamTime now);
  void Act(StreamTime now);
  StreamTime Now() const { return {clock_->Now(), clock_->SinceBoot()}; }
  template <class Change>
  void Post(const Change& change);

  Spool* const spool_;
  const Clock* const clock_;
  std::thread thread_;

  // Of the thread.
  StreamLogic logic_;
  bool open_ = false;
  bool writable_ = false;
  absl::Duration next_tick_;

  mutable Mutex mutex_;
  CondVar mail_came_;
  Mail mail_ ABSL_GUARDED_BY(mutex_);
  std::optional<StopRequest> stop_ ABSL_GUARDED_BY(mutex_);
  StreamStatus status_ ABSL_GUARDED_BY(mutex_);

  const std::unique_ptr<Transport> transport_;  // last: until it is gone it calls OnClosed
};

}  // namespace ppmm
