#include "collector/http/connection.h"

#include <sys/socket.h>

#include <chrono>
#include <utility>

// <utility> comes before Boost: 1.74 uses std::exchange without including it.
#include "boost/asio/generic/stream_protocol.hpp"
#include "boost/asio/io_context.hpp"
#include "boost/asio/post.hpp"
#include "boost/asio/steady_timer.hpp"
#include "boost/asio/strand.hpp"
#include "boost/asio/write.hpp"

namespace ppmm::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

// A waiting operation holds its callback, and the callback holds the session that owns this connection: so `this` lives
// until the last of them came back. The deadline's callback doesn't hold it and carries its own state.
class PlainConnection final : public Connection {
 public:
  PlainConnection(asio::io_context& context, int fd, int family, Peer peer)
      : strand_(asio::make_strand(context)),
        socket_(strand_, asio::generic::stream_protocol(family, 0), fd),
        deadline_(strand_),
        armed_(std::make_shared<std::uint64_t>(0)),
        peer_(std::move(peer)) {}

  const Peer& peer() const override { return peer_; }

  void Read(char* data, size_t size, Done done) override {
    socket_.async_read_some(asio::buffer(data, size),
                            [done = std::move(done)](error_code error, size_t bytes) { done(!error, bytes); });
  }

  void Write(absl::string_view data, Done done) override {
    asio::async_write(socket_, asio::buffer(data.data(), data.size()),
                      [done = std::move(done)](error_code error, size_t bytes) { done(!error, bytes); });
  }

  void SetDeadline(absl::Duration delay, std::function<void()> expired) override {
    const std::uint64_t number = ++*armed_;
    deadline_.expires_after(absl::ToChronoNanoseconds(delay));
    // A timer that is replaced when its callback is already queued can't be cancelled any more: the number tells.
    deadline_.async_wait([number, armed = armed_, expired = std::move(expired)](error_code error) {
      if (!error && number == *armed) {
        expired();
      }
    });
  }

  void ClearDeadline() override {
    ++*armed_;
    deadline_.cancel();
  }

  void CloseSending() override {
    error_code ignored;  // the client may be gone
    socket_.shutdown(asio::socket_base::shutdown_send, ignored);
  }

  void Close() override {
    error_code ignored;
    socket_.close(ignored);
  }

  void Post(std::function<void()> task) override { asio::post(strand_, std::move(task)); }

 private:
  const asio::strand<asio::io_context::executor_type> strand_;
  asio::generic::stream_protocol::socket socket_;
  asio::steady_timer deadline_;
  const std::shared_ptr<std::uint64_t> armed_;
  const Peer peer_;
};

}  // namespace

std::unique_ptr<Connection> MakePlainConnection(asio::io_context& context, int fd, int family, Peer peer) {
  return std::make_unique<PlainConnection>(context, fd, family, std::move(peer));
}

}  // namespace ppmm::http
