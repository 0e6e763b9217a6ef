#include "collector/accept_loop.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <utility>

#include "collector/http/listener.h"
#include "common/log.h"

namespace ppmm {
namespace {

// Addresses remembered in one minute; beyond it all share one entry, so that memory is bounded.
constexpr std::size_t kMaxAddresses = 65536;

std::string AddressOf(const sockaddr_storage& peer) {
  char text[INET6_ADDRSTRLEN] = "";
  if (peer.ss_family == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&peer)->sin_addr, text, sizeof text);
  } else if (peer.ss_family == AF_INET6) {
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(&peer)->sin6_addr, text, sizeof text);
  }
  return text;
}

int PortOf(const sockaddr_storage& peer) {
  // Both kinds have it in one place.
  return ntohs(reinterpret_cast<const sockaddr_in*>(&peer)->sin_port);
}

int OpenSpare() {
  return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

// Closes so that the peer learns it at once.
void Reset(int fd) {
  const linger now{1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close(fd);
}

}  // namespace

absl::StatusOr<std::unique_ptr<AcceptLoop>> AcceptLoop::Start(absl::string_view listen, int per_address,
                                                              Counters* counters, Handler handler) {
  absl::StatusOr<http::Listener> listener = http::ListenTcp(listen, "--grpc-listen");
  if (!listener.ok()) {
    return listener.status();
  }
  std::unique_ptr<AcceptLoop> loop(
      new AcceptLoop(listener->fd, listener->port, per_address, counters, std::move(handler)));
  loop->thread_ = std::thread([raw = loop.get()] { raw->Run(); });
  return loop;
}

AcceptLoop::AcceptLoop(int listener, int port, int per_address, Counters* counters, Handler handler)
    : listener_(listener),
      port_(port),
      per_address_(per_address),
      counters_(counters),
      handler_(std::move(handler)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      spare_(OpenSpare()) {}

AcceptLoop::~AcceptLoop() {
  Stop();
  close(wake_);
  if (spare_ >= 0) {
    close(spare_);
  }
  close(listener_);
}

void AcceptLoop::Stop() {
  if (thread_.joinable()) {
    const std::uint64_t one = 1;
    if (write(wake_, &one, sizeof one) < 0) {
      LogError("ingest", "cannot wake the accept loop");
    }
    thread_.join();
  }
}

bool AcceptLoop::AddressMayConnect(const std::string& address) {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  if (now.tv_sec / 60 != window_) {
    window_ = now.tv_sec / 60;
    recent_.clear();
  }
  const std::string& key = recent_.size() < kMaxAddresses || recent_.contains(address) ? address : std::string();
  return ++recent_[key] <= per_address_;
}

void AcceptLoop::AcceptOne() {
  sockaddr_storage peer{};
  socklen_t length = sizeof peer;
  const int fd = accept4(listener_, reinterpret_cast<sockaddr*>(&peer), &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) {
    if (errno == EMFILE || errno == ENFILE) {
      close(spare_);
      const int shed = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (shed >= 0) {
        Reset(shed);
        counters_->shed_no_descriptor.fetch_add(1, std::memory_order_relaxed);
      }
      spare_ = OpenSpare();
    }
    return;
  }
  const std::string address = AddressOf(peer);
  if (!AddressMayConnect(address)) {
    Reset(fd);
    counters_->shed_per_address.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  const int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);  // gRPC does it only for its own listener
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
  counters_->accepted.fetch_add(1, std::memory_order_relaxed);
  handler_.accept(listener_, fd, address, PortOf(peer));
}

void AcceptLoop::Run() {
  constexpr int kBurst = kAcceptsPerSecond / 10;
  for (;;) {
    pollfd watched[] = {{listener_, POLLIN, 0}, {wake_, POLLIN, 0}};
    if (poll(watched, 2, 1000) < 0 && errno != EINTR) {
      LogError("ingest", "the accept loop cannot poll");
      return;
    }
    if (watched[1].revents != 0) {
      return;
    }
    handler_.tick();
    for (int i = 0; i < kBurst && watched[0].revents != 0; ++i) {
      AcceptOne();
      watched[0].revents = 0;
      poll(watched, 1, 0);
    }
    if (watched[0].revents != 0) {
      // More came than the pace allows: let the streams that live have the CPU for a while.
      pollfd stop = {wake_, POLLIN, 0};
      if (poll(&stop, 1, 100) > 0) {
        return;
      }
    }
  }
}

}  // namespace ppmm
