// Small TCP and Unix sockets on the loopback interface for tests. Ports are those the kernel gives.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

namespace ppmm {

// A descriptor that closes itself.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Socket() { Close(); }
  void Close() {
    if (fd_ >= 0) {
      close(fd_);
    }
    fd_ = -1;
  }
  int fd() const { return fd_; }
  bool ok() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

inline sockaddr_in Loopback(std::uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

inline std::uint16_t LocalPort(const Socket& socket) {
  sockaddr_in6 address = {};
  socklen_t length = sizeof(address);
  getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&address), &length);
  return ntohs(address.sin6_port);  // at the same place as sin_port
}

inline Socket Listen(int backlog = 128) {
  Socket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = Loopback(0);
  if (bind(socket.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      listen(socket.fd(), backlog) != 0) {
    return Socket();
  }
  return socket;
}

// Takes IPv4 and IPv6 on the wildcard address.
inline Socket ListenDual() {
  Socket socket(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return listen(socket.fd(), 128) == 0 ? std::move(socket) : Socket();
}

// `name` may begin with a zero byte: an abstract name.
inline Socket ListenUnix(const std::string& name, int backlog) {
  Socket socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, name.data(), name.size());
  const socklen_t length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  if (bind(socket.fd(), reinterpret_cast<const sockaddr*>(&address), length) != 0 ||
      listen(socket.fd(), backlog) != 0) {
    return Socket();
  }
  return socket;
}

inline Socket Connect(std::uint16_t port) {
  Socket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = Loopback(port);
  if (connect(socket.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return Socket();
  }
  return socket;
}

inline sockaddr_in6 LoopbackIpv6(std::uint16_t port) {
  sockaddr_in6 address = {};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  address.sin6_addr = in6addr_loopback;
  return address;
}

// Of ::1 alone.
inline Socket ListenIpv6() {
  Socket socket(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in6 address = LoopbackIpv6(0);
  if (bind(socket.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      listen(socket.fd(), 128) != 0) {
    return Socket();
  }
  return socket;
}

inline Socket ConnectIpv6(std::uint16_t port) {
  Socket socket(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in6 address = LoopbackIpv6(port);
  if (connect(socket.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return Socket();
  }
  return socket;
}

inline Socket Accept(const Socket& listener) {
  return Socket(accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC));
}

// Closes with a reset instead of a FIN.
inline void Reset(Socket* socket) {
  const linger now = {1, 0};
  setsockopt(socket->fd(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  socket->Close();
}

inline bool SendAll(const Socket& socket, std::size_t bytes) {
  const std::string text(bytes, 'x');
  std::size_t sent = 0;
  while (sent < bytes) {
    const ssize_t now = send(socket.fd(), text.data() + sent, bytes - sent, MSG_NOSIGNAL);
    if (now <= 0) {
      return false;
    }
    sent += static_cast<std::size_t>(now);
  }
  return true;
}

inline bool ReceiveAll(const Socket& socket, std::size_t bytes) {
  std::string text(bytes, ' ');
  return bytes == 0 || recv(socket.fd(), text.data(), bytes, MSG_WAITALL) == static_cast<ssize_t>(bytes);
}

// Waits for the other side's FIN.
inline bool ReceiveEnd(const Socket& socket) {
  char byte;
  return recv(socket.fd(), &byte, 1, 0) == 0;
}

}  // namespace ppmm
