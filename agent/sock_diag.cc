#include "agent/sock_diag.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <linux/unix_diag.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

#include "common/status.h"

namespace ppmm {
namespace {

// Numbers of the kernel's TCP states (include/net/tcp_states.h); the header of user space clashes with linux/tcp.h.
enum TcpState {
  kEstablished = 1,
  kFinWait1 = 4,
  kFinWait2 = 5,
  kCloseWait = 8,
  kLastAck = 9,
  kListen = 10,
  kClosing = 11
};
constexpr std::uint32_t kStates = 1u << kEstablished | 1u << kFinWait1 | 1u << kFinWait2 | 1u << kCloseWait |
                                  1u << kLastAck | 1u << kListen | 1u << kClosing;

constexpr int kLargestErrno = 4095;            // of the kernel, MAX_ERRNO
constexpr std::size_t kDumpBytes = 32 * 1024;  // the kernel fills at most this much of a dump at once

template <class Request>
struct Message {
  nlmsghdr header = {};
  Request request = {};
};

// What lies at the beginning of `bytes`, which may be shorter: the rest is 0.
template <class T>
T Prefix(absl::string_view bytes) {
  T value;
  std::memset(&value, 0, sizeof(value));
  std::memcpy(&value, bytes.data(), std::min(bytes.size(), sizeof(value)));
  return value;
}

// Hands each attribute to `handle`; ends at the first one that does not fit.
void ForEachAttribute(absl::string_view bytes,
                      absl::FunctionRef<void(std::uint16_t type, absl::string_view value)> handle) {
  while (bytes.size() >= sizeof(rtattr)) {
    const rtattr attribute = Prefix<rtattr>(bytes);
    if (attribute.rta_len < sizeof(rtattr) || attribute.rta_len > bytes.size()) {
      return;
    }
    handle(attribute.rta_type, bytes.substr(sizeof(rtattr), attribute.rta_len - sizeof(rtattr)));
    bytes.remove_prefix(std::min<std::size_t>(bytes.size(), RTA_ALIGN(attribute.rta_len)));
  }
}

std::uint64_t Cookie(const std::uint32_t (&halves)[2]) {
  return static_cast<std::uint64_t>(halves[1]) << 32 | halves[0];
}

IpAddress ToAddress(std::uint8_t family, const std::uint32_t (&words)[4]) {
  std::array<std::uint8_t, 16> bytes{};
  if (family == AF_INET6) {
    std::memcpy(bytes.data(), words, bytes.size());
  } else {
    bytes[10] = bytes[11] = 0xff;
    std::memcpy(bytes.data() + 12, words, 4);
  }
  return SocketAddress(bytes);
}

DiagSocket ToInetSocket(absl::string_view body) {
  const auto message = Prefix<inet_diag_msg>(body);
  DiagSocket socket;
  socket.listening = message.idiag_state == kListen;
  socket.cookie = Cookie(message.id.idiag_cookie);
  socket.inode = message.idiag_inode;
  socket.local_address = ToAddress(message.idiag_family, message.id.idiag_src);
  socket.remote_address = ToAddress(message.idiag_family, message.id.idiag_dst);
  socket.local_port = ntohs(message.id.idiag_sport);
  socket.remote_port = ntohs(message.id.idiag_dport);
  if (socket.listening) {
    socket.backlog = message.idiag_rqueue;
    socket.max_backlog = message.idiag_wqueue;
    return socket;
  }
  ForEachAttribute(body.substr(sizeof(message)), [&](std::uint16_t type, absl::string_view value) {
    if (type == INET_DIAG_INFO) {
      const auto info = Prefix<tcp_info>(value);
      // A received FIN takes one number of the sequence and is counted as a byte.
      const bool fin =
          message.idiag_state == kCloseWait || message.idiag_state == kLastAck || message.idiag_state == kClosing;
      socket.bytes_in = info.tcpi_bytes_received - (fin && info.tcpi_bytes_received > 0 ? 1 : 0);
      socket.bytes_out = info.tcpi_bytes_sent - info.tcpi_bytes_retrans;
      socket.retransmits = info.tcpi_total_retrans;
      socket.rtt_us = info.tcpi_rtt;
    }
  });
  return socket;
}

DiagSocket ToUnixSocket(absl::string_view body) {
  const auto message = Prefix<unix_diag_msg>(body);
  DiagSocket socket;
  socket.protocol = SocketProtocol::kUnix;
  socket.listening = message.udiag_state == kListen;
  socket.cookie = Cookie(message.udiag_cookie);
  socket.inode = message.udiag_ino;
  ForEachAttribute(body.substr(sizeof(message)), [&socket](std::uint16_t type, absl::string_view value) {
    if (type == UNIX_DIAG_NAME) {
      // A name in the file system ends at its first zero byte, an abstract one has its length.
      const bool abstract = !value.empty() && value[0] == 0;
      socket.unix_path.assign(value.data(), abstract ? value.size() : strnlen(value.data(), value.size()));
    } else if (type == UNIX_DIAG_RQLEN) {
      const auto queue = Prefix<unix_diag_rqlen>(value);
      socket.backlog = queue.udiag_rqueue;
      socket.max_backlog = queue.udiag_wqueue;
    }
  });
  return socket;
}

}  // namespace

absl::StatusOr<bool> ParseDiagDatagram(absl::Span<const char> datagram, std::vector<DiagSocket>* out) {
  absl::string_view rest(datagram.data(), datagram.size());
  while (rest.size() >= sizeof(nlmsghdr)) {
    const auto header = Prefix<nlmsghdr>(rest);
    if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > rest.size()) {
      return absl::DataLossError(
          absl::StrCat("sock_diag: message of ", header.nlmsg_len, " bytes in ", rest.size(), " bytes"));
    }
    const absl::string_view body = rest.substr(sizeof(header), header.nlmsg_len - sizeof(header));
    rest.remove_prefix(std::min<std::size_t>(rest.size(), NLMSG_ALIGN(header.nlmsg_len)));
    if (header.nlmsg_type == NLMSG_DONE) {
      return true;
    }
    if (header.nlmsg_type == NLMSG_ERROR) {
      const int error = Prefix<nlmsgerr>(body).error;
      if (error >= 0 || error < -kLargestErrno) {
        return absl::DataLossError(absl::StrCat("sock_diag: an error of number ", error));
      }
      return ErrnoStatus(-error, "sock_diag");
    }
    if (header.nlmsg_type != SOCK_DIAG_BY_FAMILY || body.empty()) {
      continue;
    }
    const bool is_unix = body[0] == AF_UNIX;
    if (body.size() < (is_unix ? sizeof(unix_diag_msg) : sizeof(inet_diag_msg))) {
      return absl::DataLossError(absl::StrCat("sock_diag: socket of ", body.size(), " bytes"));
    }
    out->push_back(is_unix ? ToUnixSocket(body) : ToInetSocket(body));
  }
  return false;
}

absl::StatusOr<std::unique_ptr<SockDiag>> SockDiag::Create() {
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
  if (fd < 0) {
    return Annotate(ErrnoStatus(errno, "sock_diag"), "netlink (kernel option CONFIG_INET_DIAG)");
  }
  return std::unique_ptr<SockDiag>(new SockDiag(fd));
}

SockDiag::~SockDiag() {
  close(fd_);
}

absl::Status SockDiag::Dump(const void* request, std::size_t length, std::vector<DiagSocket>* out) {
  buffer_.resize(kDumpBytes);
  while (recv(fd_, buffer_.data(), buffer_.size(), MSG_DONTWAIT) > 0) {
    // What an answer left behind that was given up halfway.
  }
  if (send(fd_, request, length, 0) < 0) {
    return ErrnoStatus(errno, "sock_diag: send");
  }
  while (true) {
    const ssize_t got = recv(fd_, buffer_.data(), buffer_.size(), 0);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return ErrnoStatus(errno, "sock_diag: receive");
    }
    ASSIGN_OR_RETURN(const bool done,
                     ParseDiagDatagram(absl::MakeConstSpan(buffer_.data(), static_cast<std::size_t>(got)), out));
    if (done) {
      return absl::OkStatus();
    }
  }
}

absl::Status SockDiag::List(std::vector<DiagSocket>* out) {
  out->clear();
  for (const std::uint8_t family : {std::uint8_t{AF_INET}, std::uint8_t{AF_INET6}}) {
    Message<inet_diag_req_v2> message;
    message.header.nlmsg_len = sizeof(message);
    message.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    message.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    message.request.sdiag_family = family;
    message.request.sdiag_protocol = IPPROTO_TCP;
    message.request.idiag_ext = 1u << (INET_DIAG_INFO - 1);
    message.request.idiag_states = kStates;
    const absl::Status status = Dump(&message, sizeof(message), out);
    if (absl::IsNotFound(status)) {
      return absl::NotFoundError("sock_diag: this kernel has no tcp_diag loaded; the cure: modprobe tcp_diag");
    }
    RETURN_IF_ERROR(status);
  }
  Message<unix_diag_req> message;
  message.header.nlmsg_len = sizeof(message);
  message.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  message.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  message.request.sdiag_family = AF_UNIX;
  message.request.udiag_states = 1u << kListen;
  message.request.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_RQLEN;
  const absl::Status status = Dump(&message, sizeof(message), out);
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

}  // namespace ppmm
