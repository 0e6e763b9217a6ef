// One byte stream to a client: what HTTP needs of it, so that plain TCP, a Unix socket and later TLS look alike.
// All calls, and all callbacks, happen on the connection's strand: never two at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "collector/http/message.h"

namespace boost::asio {
class io_context;
}

namespace ppmm::http {

class Connection {
 public:
  // `ok` is false at the end of the stream and after any error; `bytes` were read or written.
  using Done = std::function<void(bool ok, size_t bytes)>;

  virtual ~Connection() = default;
  virtual const Peer& peer() const = 0;
  // Reads what is there, at most `size` bytes. The memory stays the caller's until `done`. One read at a time.
  virtual void Read(char* data, size_t size, Done done) = 0;
  // Writes all of `data`, which stays the caller's until `done`. One write at a time.
  virtual void Write(absl::string_view data, Done done) = 0;
  // Calls `expired` once after `delay`; replaces the deadline before it.
  virtual void SetDeadline(absl::Duration delay, std::function<void()> expired) = 0;
  virtual void ClearDeadline() = 0;
  // Tells the client that nothing more comes; reading goes on.
  virtual void CloseSending() = 0;
  // Ends everything; waiting callbacks come with ok = false.
  virtual void Close() = 0;
  // The only call for other threads: runs `task` on the strand.
  virtual void Post(std::function<void()> task) = 0;
};

// A plain connection, TCP or Unix. Takes over `fd`, an accepted socket of that address family.
std::unique_ptr<Connection> MakePlainConnection(boost::asio::io_context& context, int fd, int family, Peer peer);

}  // namespace ppmm::http
