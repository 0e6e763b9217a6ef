#include "collector/http/listener.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "collector/http/port_owner.h"
#include "common/log.h"
#include "common/status.h"
#include "common/unix_peer.h"

namespace ppmm::http {
namespace {

constexpr int kBacklog = 512;

struct HostPort {
  std::string host;
  int port;
};

absl::StatusOr<HostPort> SplitListen(absl::string_view listen, absl::string_view flag) {
  const size_t colon = listen.rfind(':');
  int port = -1;
  if (colon == absl::string_view::npos || !absl::SimpleAtoi(listen.substr(colon + 1), &port) || port < 0 ||
      port > 65535) {
    return absl::InvalidArgumentError(absl::StrCat(flag, " \"", EscapeForDisplay(listen),
                                                   "\": write ADDRESS:PORT, as in 127.0.0.1:7766 or [::1]:7766"));
  }
  absl::string_view host = listen.substr(0, colon);
  if (host.size() > 1 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  return HostPort{std::string(host), port};
}

std::string DescribeAddress(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 in;
    std::memcpy(&in, address, sizeof in);
    inet_ntop(AF_INET6, &in.sin6_addr, text, sizeof text);
    return absl::StrCat("[", text, "]:", ntohs(in.sin6_port));
  }
  sockaddr_in in;
  std::memcpy(&in, address, sizeof in);
  inet_ntop(AF_INET, &in.sin_addr, text, sizeof text);
  return absl::StrCat(text, ":", ntohs(in.sin_port));
}

// One address; -1 and errno when it does not work.
int TryListen(const addrinfo& info) {
  const int fd = socket(info.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    return -1;
  }
  const int on = 1;
  const int off = 0;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (info.ai_family == AF_INET6) {
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);  // [::] takes IPv4 too
  }
  if (bind(fd, info.ai_addr, info.ai_addrlen) == 0 && listen(fd, kBacklog) == 0) {
    return fd;
  }
  const int cause = errno;
  close(fd);
  errno = cause;
  return -1;
}

absl::Status DescribeBindError(int cause, absl::string_view listen, int port, absl::string_view flag,
                               absl::string_view proc_root) {
  const std::string what = absl::StrCat("cannot listen on ", listen);
  if (cause == EADDRINUSE) {
    const auto owner = FindPortOwner(static_cast<std::uint16_t>(port), proc_root);
    return absl::AlreadyExistsError(
        absl::StrCat(what, ": port ", port, " is taken by ",
                     owner ? absl::StrCat(EscapeForDisplay(owner->program), " (pid ", owner->pid, ")")
                           : "a program that this user cannot see (`ss -ltnp` as root names it)",
                     "; stop it, or choose another port with ", flag, " ADDRESS:PORT"));
  }
  if (cause == EADDRNOTAVAIL) {  // no mistake of the configuration: at boot the address may come later
    return absl::UnavailableError(
        absl::StrCat(what, ": this host has no such address; choose another with ", flag, " ADDRESS:PORT"));
  }
  if (cause == EACCES) {
    return absl::PermissionDeniedError(
        absl::StrCat(what, ": ports below 1024 need a privilege; choose another with ", flag, " ADDRESS:PORT"));
  }
  return ErrnoStatus(cause, what);
}

}  // namespace

absl::StatusOr<Listener> ListenTcp(absl::string_view listen, absl::string_view flag, absl::string_view proc_root) {
  ASSIGN_OR_RETURN(const HostPort wanted, SplitListen(listen, flag));
  addrinfo hints = {};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const char* host = wanted.host.empty() ? nullptr : wanted.host.c_str();
  if (const int code = getaddrinfo(host, absl::StrCat(wanted.port).c_str(), &hints, &found); code != 0) {
    return absl::InvalidArgumentError(absl::StrCat(flag, " \"", EscapeForDisplay(listen), "\": ", gai_strerror(code)));
  }
  const absl::Cleanup free = [found] { freeaddrinfo(found); };
  std::vector<const addrinfo*> candidates;
  for (const addrinfo* info = found; info != nullptr; info = info->ai_next) {
    candidates.push_back(info);
  }
  // A name means its IPv4 address, as clients take "localhost"; no name means [::], which takes both.
  std::stable_sort(candidates.begin(), candidates.end(), [host](const addrinfo* a, const addrinfo* b) {
    const int first = host == nullptr ? AF_INET6 : AF_INET;
    return (a->ai_family == first) > (b->ai_family == first);
  });
  int cause = EADDRNOTAVAIL;
  for (const addrinfo* info : candidates) {
    const int fd = TryListen(*info);
    if (fd >= 0) {
      sockaddr_storage bound = {};
      socklen_t size = sizeof bound;
      getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size);
      Listener listener{fd, info->ai_family, DescribeAddress(reinterpret_cast<sockaddr*>(&bound)), 0};
      listener.port = ntohs(info->ai_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&bound)->sin6_port
                                                        : reinterpret_cast<sockaddr_in*>(&bound)->sin_port);
      return listener;
    }
    cause = errno;
    if (cause == EADDRINUSE) {
      break;  // another family may be free, but half a service is no service
    }
  }
  return DescribeBindError(cause, listen, wanted.port, flag, proc_root);
}

absl::StatusOr<Listener> ListenUnix(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(
        absl::StrCat("socket path \"", path, "\" must have 1 to ", sizeof address.sun_path - 1, " bytes"));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);

  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool alive = probe >= 0 && connect(probe, generic, sizeof address) == 0;
  const int probe_error = errno;
  const std::string pid = alive ? PeerPidText(probe) : "";
  if (probe >= 0) {
    close(probe);
  }
  if (alive) {
    return absl::AlreadyExistsError(absl::StrCat(path, ": another program", pid,
                                                 " listens there, a collector perhaps; stop it, or give this one "
                                                 "its own: --socket, or `socket` in its configuration"));
  }
  struct stat info = {};
  if (lstat(path.c_str(), &info) == 0) {
    if (!S_ISSOCK(info.st_mode)) {
      return NoSocket(path);
    }
    if (probe_error == ECONNREFUSED) {
      unlink(path.c_str());  // left by a process that was killed
    }
  }

  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    return ErrnoStatus(errno, absl::StrCat("socket ", path));
  }
  // Linux takes the mode of the file from the socket and the umask: set before bind, there is no moment with a wider
  // one.
  fchmod(fd, 0660);
  if (bind(fd, generic, sizeof address) != 0 || chmod(path.c_str(), 0660) != 0 || listen(fd, kBacklog) != 0) {
    const int cause = errno;
    close(fd);
    return ErrnoStatus(cause, absl::StrCat("socket ", path));
  }
  return Listener{fd, AF_UNIX, path, 0};
}

}  // namespace ppmm::http
