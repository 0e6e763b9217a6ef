// Answers of the kernel to a dump of sockets. Input: one datagram.
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <sys/socket.h>

#include <climits>

#include "agent/sock_diag.h"
#include "tests/fuzz/fuzz.h"

namespace ppmm::fuzz {
namespace {

template <class T>
std::string Bytes(const T& value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(value));
}

std::string Message(std::uint16_t type, std::string body) {
  nlmsghdr header = {};
  header.nlmsg_len = static_cast<std::uint32_t>(sizeof(header) + body.size());
  header.nlmsg_type = type;
  body.resize(NLMSG_ALIGN(body.size()));
  return Bytes(header) + body;
}

}  // namespace

void Run(absl::string_view input) {
  std::vector<DiagSocket> sockets;
  ParseDiagDatagram(absl::MakeConstSpan(input.data(), input.size()), &sockets).status().IgnoreError();  // any is fine
  Require(sockets.size() <= input.size() / sizeof(nlmsghdr), "no more sockets than messages fit");
}

std::vector<std::string> Seeds() {
  inet_diag_msg inet = {};
  inet.idiag_family = AF_INET6;
  inet.idiag_state = 1;
  nlattr info = {sizeof(nlattr) + 240, INET_DIAG_INFO};
  unix_diag_msg local = {};
  local.udiag_family = AF_UNIX;
  nlattr name = {sizeof(nlattr) + 4, UNIX_DIAG_NAME};
  nlmsgerr error = {};
  error.error = -2;
  nlmsgerr no_error = {};
  no_error.error = INT_MIN;
  return {Message(SOCK_DIAG_BY_FAMILY, Bytes(inet) + Bytes(info) + std::string(240, '\7')) +
              Message(NLMSG_DONE, Bytes(std::uint32_t{0})),
          Message(SOCK_DIAG_BY_FAMILY, Bytes(local) + Bytes(name) + std::string("\0abc", 4)),
          Message(NLMSG_ERROR, Bytes(error)), Message(NLMSG_ERROR, Bytes(no_error))};
}

}  // namespace ppmm::fuzz
