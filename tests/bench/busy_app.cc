// One application of the made-up host of tests/bench/agent_overhead, or the load on all of them.
//   busy_app app PROCESSES THREADS   prints its port, answers 512 bytes to each 64 bytes; PROCESSES x THREADS tasks
//   busy_app quiet PROCESSES THREADS the same without a socket; prints 0
//   busy_app load PER_SECOND PORT... so many requests a second, round robin; each tenth on a new connection
// In each process one thread works 20 us ten times a second; the others sleep. Ends with its parent.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t kRequest = 64;
constexpr std::size_t kAnswer = 512;

[[noreturn]] void Fail(const char* what) {
  std::perror(what);
  std::_Exit(1);
}

void EndWithParent() {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
}

sockaddr_in Loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

[[noreturn]] void WorkLightly() {
  for (;;) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(20);
    while (std::chrono::steady_clock::now() < end) {
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

void StartThreads(int threads) {
  for (int i = 1; i < threads; ++i) {
    if (i == 1) {
      std::thread(WorkLightly).detach();
    } else {
      std::thread([] { pause(); }).detach();
    }
  }
}

[[noreturn]] void Serve(int listener) {
  std::vector<pollfd> watched = {{listener, POLLIN, 0}};
  char bytes[kAnswer] = {};
  for (;;) {
    if (poll(watched.data(), watched.size(), -1) < 0) {
      Fail("poll");
    }
    for (std::size_t i = watched.size(); i-- > 1;) {
      if (watched[i].revents == 0) {
        continue;
      }
      if (read(watched[i].fd, bytes, kRequest) <= 0 || write(watched[i].fd, bytes, kAnswer) < 0) {
        close(watched[i].fd);
        watched.erase(watched.begin() + static_cast<std::ptrdiff_t>(i));
      }
    }
    if (watched[0].revents != 0) {
      watched.push_back({accept(listener, nullptr, nullptr), POLLIN, 0});
    }
  }
}

[[noreturn]] void RunApp(int processes, int threads, bool serves) {
  int listener = -1;
  sockaddr_in address = Loopback(0);
  if (serves) {
    socklen_t size = sizeof address;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listener, 128) != 0 ||
        getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      Fail("listen");
    }
  }
  for (int i = 1; i < processes; ++i) {
    if (fork() == 0) {
      EndWithParent();
      close(listener);
      StartThreads(threads);
      for (;;) {
        pause();
      }
    }
  }
  StartThreads(threads);
  std::printf("%d\n", serves ? ntohs(address.sin_port) : 0);
  std::fflush(stdout);
  if (serves) {
    Serve(listener);
  }
  for (;;) {
    pause();
  }
}

int Connect(std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(port);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    Fail("connect");
  }
  return fd;
}

[[noreturn]] void RunLoad(int per_second, const std::vector<std::uint16_t>& ports) {
  std::vector<int> connections;
  for (const std::uint16_t port : ports) {
    connections.push_back(Connect(port));
  }
  char bytes[kAnswer] = {};
  for (std::size_t n = 0;; ++n) {
    std::this_thread::sleep_for(std::chrono::microseconds(1'000'000 / per_second));
    int& fd = connections[n % ports.size()];
    if (n % 10 == 9) {
      close(fd);
      fd = Connect(ports[n % ports.size()]);
    }
    if (write(fd, bytes, kRequest) < 0 || recv(fd, bytes, kAnswer, MSG_WAITALL) <= 0) {
      Fail("request");
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  EndWithParent();
  std::signal(SIGPIPE, SIG_IGN);
  const std::string mode = argc > 1 ? argv[1] : "";
  if (argc == 4 && (mode == "app" || mode == "quiet")) {
    RunApp(std::atoi(argv[2]), std::atoi(argv[3]), mode == "app");
  }
  if (argc > 3 && mode == "load") {
    std::vector<std::uint16_t> ports;
    for (int i = 3; i < argc; ++i) {
      ports.push_back(static_cast<std::uint16_t>(std::atoi(argv[i])));
    }
    RunLoad(std::atoi(argv[2]), ports);
  }
  std::fputs("busy_app app|quiet PROCESSES THREADS, or busy_app load PER_SECOND PORT...\n", stderr);
  return 2;
}
