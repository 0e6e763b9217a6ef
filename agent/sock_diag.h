// Lists the sockets of our own network namespace by netlink (sock_diag). One thread only; owns its netlink socket.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "agent/socket_sample.h"

namespace ppmm {

// One socket as the kernel describes it.
struct DiagSocket {
  SocketProtocol protocol = SocketProtocol::kTcp;
  bool listening = false;
  std::uint64_t cookie = 0;
  // 0: not accepted yet, or given up by its process.
  std::uint64_t inode = 0;
  IpAddress local_address;
  IpAddress remote_address;
  std::uint16_t local_port = 0;
  std::uint16_t remote_port = 0;
  std::string unix_path;
  // Of listening sockets.
  std::uint32_t backlog = 0;
  std::uint32_t max_backlog = 0;
  // Of connections; payload, each byte once.
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::uint64_t retransmits = 0;
  std::uint32_t rtt_us = 0;
};

// Parses one datagram of an answer to a dump and appends its sockets to `out`.
//
// Shape:  a sequence of netlink messages. The result is true if the dump ends with this datagram.
// Errors: the status of an error message of the kernel (NotFound: no such module); DataLoss if a message is longer than
//         the datagram or shorter than its type.
// Source: sock_diag(7), linux/inet_diag.h, linux/unix_diag.h.
absl::StatusOr<bool> ParseDiagDatagram(absl::Span<const char> datagram, std::vector<DiagSocket>* out);

class SockDiag {
 public:
  // Errors: FailedPrecondition or PermissionDenied if the kernel gives no such netlink socket.
  static absl::StatusOr<std::unique_ptr<SockDiag>> Create();
  ~SockDiag();
  SockDiag(const SockDiag&) = delete;
  SockDiag& operator=(const SockDiag&) = delete;

  // Replaces `out` by the TCP listeners and connections, and the Unix listeners.
  //
  // Errors: as ParseDiagDatagram, and Unavailable. A kernel without unix_diag has no Unix listeners: no error.
  absl::Status List(std::vector<DiagSocket>* out);

 private:
  explicit SockDiag(int fd) : fd_(fd) {}
  absl::Status Dump(const void* request, std::size_t length, std::vector<DiagSocket>* out);

  const int fd_;
  std::vector<char> buffer_;
};

}  // namespace ppmm
