#include "tests/testing/timed_server.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <map>
#include <utility>

#include "tests/testing/open_loop.h"

namespace ppmm {
namespace {

constexpr int kBacklog = 4096;

// A moment of the wall clock as one of MonotonicNs(). Both clocks are read side by side; again if something came
// between.
std::int64_t ToMonotonic(const timespec& wall) {
  std::int64_t difference = 0;
  for (int i = 0; i < 3; ++i) {
    timespec now;
    const std::int64_t before = MonotonicNs();
    clock_gettime(CLOCK_REALTIME, &now);
    const std::int64_t after = MonotonicNs();
    difference = now.tv_sec * 1'000'000'000 + now.tv_nsec - (before + (after - before) / 2);
    if (after - before < 2'000) {
      break;
    }
  }
  return wall.tv_sec * 1'000'000'000 + wall.tv_nsec - difference;
}

std::int64_t DelayOf(const std::vector<std::int64_t>& delays, std::size_t number) {
  return delays.empty() ? 0 : delays[number < delays.size() ? number : 0];
}

}  // namespace

TimedServer::TimedServer(TimedServerOptions options, std::size_t requests)
    : options_(std::move(options)), listener_(Listen(kBacklog)), records_(requests) {
  const int on = 1;  // inherited by what is accepted
  setsockopt(listener_.fd(), SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
  setsockopt(listener_.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  const std::lock_guard lock(mutex_);
  threads_.emplace_back([this] { options_.one_thread ? ServeAll() : Accept(); });
}

TimedServer::~TimedServer() {
  stopping_ = true;
  Connect(port());  // wakes it up
  Drain();
  for (std::size_t i = 0;; ++i) {  // the first one adds the others
    std::thread thread;
    {
      const std::lock_guard lock(mutex_);
      if (i == threads_.size()) {
        return;
      }
      thread = std::move(threads_[i]);
    }
    thread.join();
  }
}

void TimedServer::Drain() {
  while (open_ > 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void TimedServer::Accept() {
  while (true) {
    Socket connection = ppmm::Accept(listener_);
    if (stopping_ || !connection.ok()) {
      return;
    }
    ++open_;
    const std::lock_guard lock(mutex_);
    threads_.emplace_back([this, accepted = std::move(connection)]() mutable { ServeOne(std::move(accepted)); });
  }
}

void TimedServer::ServeOne(Socket connection) {
  prctl(PR_SET_TIMERSLACK, 1);
  while (Serve(connection)) {
  }
  connection.Close();
  --open_;
}

void TimedServer::ServeAll() {
  prctl(PR_SET_TIMERSLACK, 1);
  const Socket epoll(epoll_create1(EPOLL_CLOEXEC));
  std::map<int, Socket> connections;
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.fd = listener_.fd();
  fcntl(listener_.fd(), F_SETFL, O_NONBLOCK);
  epoll_ctl(epoll.fd(), EPOLL_CTL_ADD, listener_.fd(), &event);
  while (epoll_wait(epoll.fd(), &event, 1, -1) == 1) {  // one at a time, so that the order is that of arrival
    if (event.data.fd != listener_.fd()) {
      if (const auto found = connections.find(event.data.fd); !Serve(found->second)) {
        connections.erase(found);
        --open_;
      }
      continue;
    }
    if (stopping_) {
      return;
    }
    for (Socket accepted = ppmm::Accept(listener_); accepted.ok(); accepted = ppmm::Accept(listener_)) {
      event.events = EPOLLIN | EPOLLET;
      event.data.fd = accepted.fd();
      ++open_;
      epoll_ctl(epoll.fd(), EPOLL_CTL_ADD, accepted.fd(), &event);
      connections.emplace(accepted.fd(), std::move(accepted));
    }
  }
}

bool TimedServer::Serve(const Socket& connection) {
  std::array<char, kRequestBytes> text;
  alignas(cmsghdr) std::array<char, 256> control;
  iovec part = {text.data(), text.size()};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const std::int64_t read_begin = MonotonicNs();
  const ssize_t got = recvmsg(connection.fd(), &message, 0);
  const std::int64_t read_end = MonotonicNs();
  if (got != kRequestBytes) {
    return false;
  }
  const std::size_t number = std::strtoull(text.data() + 5, nullptr, 16);
  if (number >= records_.size()) {
    return false;
  }
  ServerRecord& record = records_[number];
  record.read_begin = read_begin;
  record.read_end = read_end;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_TIMESTAMPNS) {
      timespec wall;
      std::memcpy(&wall, CMSG_DATA(header), sizeof(wall));
      record.arrived = ToMonotonic(wall);
    }
  }
  if (options_.one_thread) {
    order_.push_back(number);
  }
  const std::int64_t tail = DelayOf(options_.tails, number);
  const std::size_t first = tail > 0 ? kResponseHeadBytes : kResponseBytes;
  Delay(record.read_end, DelayOf(options_.delays, number));
  record.write_begin = MonotonicNs();
  if (send(connection.fd(), kResponse, first, MSG_NOSIGNAL) < 0) {
    return false;
  }
  record.write_end = record.last_end = MonotonicNs();
  record.last_begin = record.write_begin;
  record.answered = true;
  if (tail == 0) {
    return true;
  }
  Delay(record.write_begin, tail);
  record.last_begin = MonotonicNs();
  const bool sent = send(connection.fd(), kResponse + first, kResponseBytes - first, MSG_NOSIGNAL) > 0;
  record.last_end = MonotonicNs();
  return sent;
}

void TimedServer::Delay(std::int64_t from, std::int64_t ns) const {
  const std::int64_t until = from + ns;
  if (options_.burn) {
    while (MonotonicNs() < until) {
    }
    return;
  }
  const timespec at = {until / 1'000'000'000, until % 1'000'000'000};
  while (ns > 0 && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr) == EINTR) {
  }
}

}  // namespace ppmm
