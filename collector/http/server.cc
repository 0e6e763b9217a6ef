#include "collector/http/server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

// <utility> comes before Boost: 1.74 uses std::exchange without including it.
#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "boost/asio/io_context.hpp"
#include "boost/asio/posix/stream_descriptor.hpp"
#include "boost/asio/post.hpp"
#include "boost/asio/steady_timer.hpp"
#include "boost/asio/strand.hpp"

#include "collector/http/connection.h"
#include "collector/http/listener.h"
#include "common/log.h"
#include "common/mutex.h"

namespace ppmm::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

// Out of descriptors, the listener stays readable: asking again at once would be a loop at full speed.
constexpr auto kAcceptPause = std::chrono::milliseconds(100);
// After so many the other connections of this thread have their turn.
constexpr int kAcceptsPerTurn = 32;

std::string NumericAddress(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address.ss_family == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(address).sin_addr, text, sizeof text);
  } else if (address.ss_family == AF_INET6) {
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr, text, sizeof text);
  }
  // An IPv4 client of a [::] listener.
  return std::string(absl::StripPrefix(text, "::ffff:"));
}

Peer DescribePeer(int fd, int family) {
  Peer peer;
  if (family == AF_UNIX) {
    ucred credentials = {};
    socklen_t size = sizeof credentials;
    // Where the kernel does not tell, nobody is the safe answer.
    peer.uid = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0 ? credentials.uid : 65534;
    return peer;
  }
  sockaddr_storage address = {};
  socklen_t size = sizeof address;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
    peer.address = NumericAddress(address);
  }
  size = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
    peer.local_address = NumericAddress(address);
  }
  return peer;
}

}  // namespace

class Server::Impl {
 public:
  Impl(const ServerOptions& options, Handler handler) : options_(options), handler_(std::move(handler)) {}

  ~Impl() { Stop(absl::ZeroDuration()); }

  void AddListener(Listener listener) {
    acceptors_.push_back(std::make_unique<Acceptor>(context_, std::move(listener)));
  }

  void Start() {
    for (auto& acceptor : acceptors_) {
      AwaitClient(acceptor.get());
    }
    // Signals are the main thread's.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (int i = 0; i < options_.threads; ++i) {
      threads_.emplace_back([this] { context_.run(); });
      pthread_setname_np(threads_.back().native_handle(), "http");
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  int Stop(absl::Duration deadline) {
    for (auto& acceptor : acceptors_) {
      asio::post(acceptor->strand, [acceptor = acceptor.get()] {
        error_code ignored;
        acceptor->closed = true;
        acceptor->retry.cancel();
        acceptor->descriptor.close(ignored);
      });
      acceptor->RemoveFile();
    }
    {
      MutexLock lock(&mutex_);
      draining_ = true;
    }
    ForEachSession([](Session& session) { session.Drain(); });
    int cut = 0;
    if (!threads_.empty()) {
      const auto end = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(deadline);
      MutexLock lock(&mutex_);
      for (auto now = std::chrono::steady_clock::now(); !sessions_.empty() && now < end;
           now = std::chrono::steady_clock::now()) {
        session_ended_.WaitFor(&mutex_, end - now);
      }
      cut = static_cast<int>(sessions_.size());
    }
    ForEachSession([](Session& session) { session.Abort(); });
    for (std::thread& thread : threads_) {
      thread.join();  // they return when no socket and no timer is left
    }
    threads_.clear();
    // What was posted while the threads returned still holds sessions, whose end refers to the acceptors.
    context_.restart();
    context_.poll();
    return cut;
  }

  std::uint16_t port() const {
    for (const auto& acceptor : acceptors_) {
      if (acceptor->listener.port != 0) {
        return acceptor->listener.port;
      }
    }
    return 0;
  }

  ServerStats stats() const {
    ServerStats stats;
    stats.accepted = accepted_;
    stats.refused_total = refused_total_;
    stats.refused_per_address = refused_per_address_;
    stats.accept_errors = accept_errors_;
    stats.requests = counters_.requests;
    stats.client_errors = counters_.client_errors;
    stats.server_errors = counters_.server_errors;
    stats.sent_bytes = counters_.sent_bytes;
    stats.cut_slow_request = counters_.cut_slow_request;
    stats.cut_slow_reader = counters_.cut_slow_reader;
    stats.closed_idle = counters_.closed_idle;
    MutexLock lock(&mutex_);
    stats.open = sessions_.size();
    return stats;
  }

 private:
  struct Acceptor {
    Acceptor(asio::io_context& context, Listener opened)
        : listener(std::move(opened)),
          strand(asio::make_strand(context)),
          descriptor(strand, listener.fd),
          retry(strand) {
      struct stat info = {};
      if (listener.family == AF_UNIX && lstat(listener.address.c_str(), &info) == 0) {
        inode = info.st_ino;
      }
    }

    // Only our own file: a successor may have replaced it.
    void RemoveFile() const {
      struct stat info = {};
      if (inode != 0 && lstat(listener.address.c_str(), &info) == 0 && info.st_ino == inode) {
        unlink(listener.address.c_str());
      }
    }

    const Listener listener;
    asio::strand<asio::io_context::executor_type> strand;
    asio::posix::stream_descriptor descriptor;
    asio::steady_timer retry;
    ino_t inode = 0;
    bool closed = false;  // strand only
    int open = 0;         // guarded by Impl::mutex_
  };

  struct Entry {
    std::weak_ptr<Session> session;
    Acceptor* acceptor;
    std::string who;
  };

  void AwaitClient(Acceptor* acceptor) {
    acceptor->descriptor.async_wait(asio::posix::stream_descriptor::wait_read, [this, acceptor](error_code error) {
      if (!error && !acceptor->closed) {
        AcceptSome(acceptor);
      }
    });
  }

  void AcceptSome(Acceptor* acceptor) {
    for (int i = 0; i < kAcceptsPerTurn; ++i) {
      const int fd = accept4(acceptor->listener.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd >= 0) {
        Welcome(acceptor, fd);
      } else if (errno == EAGAIN) {
        break;
      } else if (errno != EINTR && errno != ECONNABORTED) {
        const int cause = errno;
        ++accept_errors_;
        if (const auto n = accept_errors_log_.Allow(absl::Now())) {
          LogWarning("http", "cannot accept connections on ", acceptor->listener.address, ": ", std::strerror(cause),
                     "; trying again every 100 ms (", n, " times so far)");
        }
        acceptor->retry.expires_after(kAcceptPause);
        acceptor->retry.async_wait([this, acceptor](error_code error) {
          if (!error && !acceptor->closed) {
            AcceptSome(acceptor);
          }
        });
        return;
      }
    }
    AwaitClient(acceptor);
  }

  // Takes over `fd`.
  void Welcome(Acceptor* acceptor, int fd) {
    ++accepted_;
    Peer peer = DescribePeer(fd, acceptor->listener.family);
    const std::string who = peer.uid ? absl::StrCat("uid ", *peer.uid) : peer.address;
    std::uint64_t id = 0;
    {
      MutexLock lock(&mutex_);
      int& of_address = per_address_[who];
      const bool full = acceptor->open >= options_.max_connections;
      if (full || of_address >= options_.max_connections_per_address) {
        ++(full ? refused_total_ : refused_per_address_);
        if (of_address == 0) {
          per_address_.erase(who);
        }
        Refuse(fd);
        return;
      }
      ++of_address;
      ++acceptor->open;
      id = ++last_id_;
      sessions_.emplace(id, Entry{{}, acceptor, who});
    }
    if (acceptor->listener.family != AF_UNIX) {
      const int on = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    auto session = MakeSession(MakePlainConnection(context_, fd, acceptor->listener.family, std::move(peer)),
                               &options_.session, &handler_, &counters_, [this, id] { Forget(id); });
    bool draining = false;
    {
      MutexLock lock(&mutex_);
      sessions_[id].session = session;
      draining = draining_;
    }
    session->Post([session, draining] {
      session->Start();
      if (draining) {  // Stop came too early to see it
        session->Drain();
      }
    });
  }

  // One try to say why; the client may not have sent its request yet.
  static void Refuse(int fd) {
    constexpr absl::string_view kText =
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 29\r\n"
        "Retry-After: 5\r\nConnection: close\r\n\r\ntoo many connections are open";
    (void)send(fd, kText.data(), kText.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    shutdown(fd, SHUT_WR);
    close(fd);
  }

  void Forget(std::uint64_t id) {
    MutexLock lock(&mutex_);
    const auto entry = sessions_.find(id);
    --entry->second.acceptor->open;
    const auto count = per_address_.find(entry->second.who);
    if (--count->second == 0) {
      per_address_.erase(count);
    }
    sessions_.erase(entry);
    session_ended_.NotifyAll();
  }

  template <class Action>
  void ForEachSession(Action action) {
    std::vector<std::shared_ptr<Session>> sessions;
    {
      MutexLock lock(&mutex_);
      for (const auto& [id, entry] : sessions_) {
        if (auto session = entry.session.lock()) {
          sessions.push_back(std::move(session));
        }
      }
    }
    for (auto& session : sessions) {
      Session* const raw = session.get();
      raw->Post([session = std::move(session), action] { action(*session); });
    }
  }

  const ServerOptions options_;
  const Handler handler_;

  std::atomic<std::uint64_t> accepted_{0};
  std::atomic<std::uint64_t> refused_total_{0};
  std::atomic<std::uint64_t> refused_per_address_{0};
  std::atomic<std::uint64_t> accept_errors_{0};
  LogLimiter accept_errors_log_{absl::Seconds(10)};
  SessionCounters counters_;

  mutable Mutex mutex_;
  CondVar session_ended_;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  std::uint64_t last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<std::uint64_t, Entry> sessions_ ABSL_GUARDED_BY(mutex_);  // <= max_connections a listener
  absl::flat_hash_map<std::string, int> per_address_ ABSL_GUARDED_BY(mutex_);   // of open connections

  // After all that sessions refer to: what is left in it is destroyed first.
  asio::io_context context_;
  std::vector<std::unique_ptr<Acceptor>> acceptors_;
  std::vector<std::thread> threads_;
};

Server::Server(const ServerOptions& options, Handler handler)
    : impl_(std::make_unique<Impl>(options, std::move(handler))) {}

Server::~Server() = default;

absl::Status Server::ListenTcp(absl::string_view listen, absl::string_view flag) {
  auto listener = http::ListenTcp(listen, flag);
  if (!listener.ok()) {
    return listener.status();
  }
  impl_->AddListener(*std::move(listener));
  return absl::OkStatus();
}

absl::Status Server::ListenUnix(const std::string& path) {
  auto listener = http::ListenUnix(path);
  if (!listener.ok()) {
    return listener.status();
  }
  impl_->AddListener(*std::move(listener));
  return absl::OkStatus();
}

void Server::Start() {
  impl_->Start();
}

int Server::Stop(absl::Duration deadline) {
  return impl_->Stop(deadline);
}

std::uint16_t Server::port() const {
  return impl_->port();
}

ServerStats Server::stats() const {
  return impl_->stats();
}

}  // namespace ppmm::http
