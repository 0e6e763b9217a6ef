#include "tests/testing/open_loop.h"

#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <random>

#include "tests/testing/tcp_sockets.h"

namespace ppmm {

const char kResponse[] = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nresponse";
static_assert(sizeof(kResponse) == kResponseBytes + 1);

namespace {

constexpr std::size_t kNone = ~std::size_t{0};

[[noreturn]] void Fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

struct Connection {
  Socket socket;
  std::size_t request = kNone;
  std::size_t received = 0;
};

class Generator {
 public:
  Generator(const OpenLoop& options, const std::vector<std::int64_t>& due)
      : options_(options), due_(due), epoll_(epoll_create1(EPOLL_CLOEXEC)), records_(due.size()) {
    while (connections_.size() < options.connections) {
      Open();
    }
  }

  std::vector<ClientRecord> Run() {
    const std::int64_t start = MonotonicNs();
    while (ended_ < due_.size()) {
      const std::int64_t now = MonotonicNs();
      while (next_ < due_.size() && start + due_[next_] <= now) {
        records_[next_].intended = start + due_[next_];
        waiting_.push_back(next_++);
      }
      while (!waiting_.empty() && (!free_.empty() || connections_.size() < options_.max_connections)) {
        Send();
      }
      if (options_.until_ns > 0 && now > start + options_.until_ns) {
        ended_ += waiting_.size() + due_.size() - next_;
        waiting_.clear();
        next_ = due_.size();
      }
      GiveUp(now);
      Wait(start);
    }
    return std::move(records_);
  }

 private:
  void Open() {
    connections_.push_back({Connect(options_.port)});
    Watch(connections_.size() - 1);
    free_.push_back(connections_.size() - 1);
  }

  void Watch(std::size_t number) {
    const Socket& socket = connections_[number].socket;
    const int on = 1;
    epoll_event event = {};
    event.events = EPOLLIN;
    event.data.u64 = number;
    if (!socket.ok() || setsockopt(socket.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
        epoll_ctl(epoll_.fd(), EPOLL_CTL_ADD, socket.fd(), &event) != 0) {
      Fail("connect");
    }
  }

  void Send() {
    if (free_.empty()) {
      Open();
    }
    Connection& connection = connections_[free_.back()];
    connection.request = waiting_.front();
    connection.received = 0;
    std::array<char, kRequestBytes + 1> text;
    std::snprintf(text.data(), text.size(), "GET /%08zx HTTP/1.1\r\n\r\n", connection.request);
    records_[connection.request].send_begin = MonotonicNs();
    if (send(connection.socket.fd(), text.data(), kRequestBytes, MSG_NOSIGNAL) != kRequestBytes) {
      Fail("send");
    }
    if (options_.give_up_ns > 0) {
      sent_.push_back({free_.back(), connection.request});
    }
    waiting_.pop_front();
    free_.pop_back();
  }

  void GiveUp(std::int64_t now) {
    for (; !sent_.empty(); sent_.pop_front()) {
      const Sent& oldest = sent_.front();
      Connection& connection = connections_[oldest.connection];
      if (connection.request != oldest.request) {
        continue;  // answered
      }
      if (records_[oldest.request].send_begin + options_.give_up_ns > now) {
        return;
      }
      Reset(&connection.socket);
      connection.socket = Connect(options_.port);
      Watch(oldest.connection);
      End(oldest.connection);
    }
  }

  void Wait(std::int64_t start) {
    std::int64_t until = start + (next_ < due_.size() ? due_[next_] : due_.back() + 3'600'000'000'000);
    if (!sent_.empty()) {
      until = std::min(until, records_[sent_.front().request].send_begin + options_.give_up_ns);
    }
    const std::int64_t left = ended_ < due_.size() ? std::max<std::int64_t>(0, until - MonotonicNs()) : 0;
    const timespec timeout = {left / 1'000'000'000, left % 1'000'000'000};
    std::array<epoll_event, 64> events;
    const int count = epoll_pwait2(epoll_.fd(), events.data(), static_cast<int>(events.size()), &timeout, nullptr);
    for (int i = 0; i < count; ++i) {
      Receive(events[static_cast<std::size_t>(i)].data.u64);
    }
  }

  void Receive(std::size_t number) {
    Connection& connection = connections_[number];
    std::array<char, kResponseBytes> bytes;
    const ssize_t got = recv(connection.socket.fd(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got <= 0) {
      if (connection.request != kNone && got == 0) {
        Fail("the server closed a connection that waits for an answer");
      }
      return;
    }
    ClientRecord& record = records_[connection.request];
    const std::int64_t now = MonotonicNs();
    if (connection.received == 0) {
      record.first_byte = now;
    }
    connection.received += static_cast<std::size_t>(got);
    if (connection.received == kResponseBytes) {
      record.last_byte = now;
      End(number);
    }
  }

  void End(std::size_t number) {
    connections_[number].request = kNone;
    free_.push_back(number);
    ++ended_;
  }

  struct Sent {
    std::size_t connection;
    std::size_t request;
  };

  const OpenLoop options_;
  const std::vector<std::int64_t>& due_;
  const Socket epoll_;
  std::vector<ClientRecord> records_;
  std::vector<Connection> connections_;
  std::vector<std::size_t> free_;
  std::deque<std::size_t> waiting_;  // due, without a connection
  std::deque<Sent> sent_;            // kept where requests are given up
  std::size_t next_ = 0;
  std::size_t ended_ = 0;
};

}  // namespace

std::int64_t MonotonicNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

std::vector<std::int64_t> PoissonSchedule(double per_second, double seconds, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::exponential_distribution<double> gap(per_second);
  std::vector<std::int64_t> due;
  for (double at = gap(random); at < seconds; at += gap(random)) {
    due.push_back(static_cast<std::int64_t>(at * 1e9));
  }
  return due;
}

std::vector<std::int64_t> FixedSchedule(double per_second, double seconds) {
  std::vector<std::int64_t> due;
  for (double at = 0; at < seconds * per_second; ++at) {
    due.push_back(static_cast<std::int64_t>(at / per_second * 1e9));
  }
  return due;
}

std::vector<ClientRecord> RunOpenLoop(const OpenLoop& options, const std::vector<std::int64_t>& due) {
  prctl(PR_SET_TIMERSLACK, 1);  // of this thread; else each wait may end 50 us late
  return Generator(options, due).Run();
}

}  // namespace ppmm
