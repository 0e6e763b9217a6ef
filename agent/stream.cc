#include "agent/stream.h"

#include <pthread.h>

#include <utility>

namespace ppmm {

Stream::Stream(StreamOptions options, Spool* spool, EpochOwner* owner, std::unique_ptr<Transport> transport,
               const Clock* clock)
    : spool_(spool),
      clock_(clock),
      logic_(std::move(options), spool, owner, StreamTime{clock->Now(), clock->SinceBoot()}),
      next_tick_(clock->SinceBoot()),
      transport_(std::move(transport)) {
  spool_->SetListener([this] { Post([](Mail* mail) { mail->woken = true; }); });
}

Stream::~Stream() {
  Stop(absl::ZeroDuration(), "stopped");
  spool_->SetListener(nullptr);
}

void Stream::Start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "ppmm-stream");
    Run();
  });
}

void Stream::Stop(absl::Duration timeout, absl::string_view reason) {
  if (!thread_.joinable()) {
    return;
  }
  {
    MutexLock lock(&mutex_);
    stop_ = StopRequest{clock_->SinceBoot() + timeout, std::string(reason)};
    mail_.woken = true;
    mail_came_.NotifyOne();
  }
  thread_.join();
}

StreamStatus Stream::Status() const {
  MutexLock lock(&mutex_);
  return status_;
}

template <class Change>
void Stream::Post(const Change& change) {
  MutexLock lock(&mutex_);
  change(&mail_);
  mail_came_.NotifyOne();
}

void Stream::OnFrame(std::string frame) {
  Post([&](Mail* mail) { mail->frame = std::move(frame); });
}

void Stream::OnWritten() {
  Post([](Mail* mail) { mail->written = true; });
}

void Stream::OnClosed(absl::Status status) {
  Post([&](Mail* mail) { mail->closed = std::move(status); });
}

Stream::Mail Stream::WaitForMail(absl::Duration at_most) {
  MutexLock lock(&mutex_);
  if (!mail_.woken && !mail_.written && !mail_.frame.has_value() && !mail_.closed.has_value()) {
    mail_came_.WaitFor(&mutex_, absl::ToChronoMicroseconds(at_most));
  }
  return std::exchange(mail_, {});
}

void Stream::Run() {
  absl::Duration wait;
  while (!logic_.finished()) {
    Mail mail = WaitForMail(wait);
    const StreamTime now = Now();
    TakeMail(std::move(mail), now);
    if (now.boot >= next_tick_) {
      next_tick_ = now.boot + absl::Seconds(1);
      spool_->Tick(now.wall);
    }
    Act(now);
    wait = logic_.WakeAfter(now);
    MutexLock lock(&mutex_);
    status_ = logic_.status();
  }
}

void Stream::TakeMail(Mail mail, StreamTime now) {
  if (mail.frame.has_value()) {
    logic_.OnFrame(*mail.frame, now);
    transport_->Read();
  }
  writable_ |= mail.written;
  if (mail.closed.has_value()) {
    open_ = false;
    transport_->Release();
    logic_.OnClosed(*mail.closed, now);
  }
  std::optional<StopRequest> stop;
  {
    MutexLock lock(&mutex_);
    stop = std::exchange(stop_, std::nullopt);
  }
  if (stop.has_value()) {
    logic_.Drain(stop->deadline, stop->reason);
  }
}

void Stream::Act(StreamTime now) {
  switch (logic_.Next(now)) {
    case StreamLogic::Action::kNone:
      break;
    case StreamLogic::Action::kConnect:
      open_ = true;
      writable_ = true;
      transport_->Connect(this);
      transport_->Read();
      break;
    case StreamLogic::Action::kCancel:
      transport_->Cancel();
      break;
  }
  if (!open_ || !writable_) {
    return;
  }
  if (std::optional<std::string> frame = logic_.FrameToSend(now)) {
    writable_ = false;
    transport_->Write(*std::move(frame));
  } else if (logic_.TakeFinishWrites()) {
    writable_ = false;
    transport_->FinishWrites();
  }
}

}  // namespace ppmm
