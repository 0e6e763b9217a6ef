// What the agent's capture costs a request: kernel time of its programs, and CPU time of a real server.
//
//   request_cost_meter turn                              of a turn over loopback, client and server in this thread
//   request_cost_meter server PORT PID http|redis NAME   of a server, at 10,000 requests a second from this thread
//
// tests/bench/request_cost starts the servers.
//
// The cost has two parts, each measured where it can be told from noise. What the programs do: they are attached once
// and a word switches them on and off each 40 requests, and the median of the differences of neighbours is taken, in
// CPU time of client and server together, since over loopback each pays for the arrival at the other. What is done at
// the client's sockets is its own host's cost: it is switched off where a server is judged, and printed beside it. That
// they are there: the number of their executions for a request (the kernel's own count)
// times what the kernel takes to run an empty program on the same tracepoint, the median of attached less detached.
//
// PPMM_COST_ROUNDS: number of pairs, 4,000. Prints the median with its 95 % interval from order statistics. Ends with 0
// if the goal is reached (1.5 us of kernel time; 5 % of nginx, 8 % of Redis), 1 if not, 3 if the interval is wider than
// 3 points on either side. Wants root.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <netinet/tcp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "agent/socket_scanner.h"
#include "tests/testing/open_loop.h"
#include "tests/testing/tcp_sockets.h"

namespace ppmm {
namespace {

constexpr int kBlock = 40;  // requests between two switches
constexpr double kPerSecond = 10'000;

[[noreturn]] void Fail(const char* what) {
  std::perror(what);
  std::exit(2);
}

double ClockNs(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

struct Estimate {
  double median = 0;
  double low = 0;
  double high = 0;
};

// The median with its 95 % interval: the ranks that a binomial of one half leaves out.
Estimate MedianOf(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const double count = static_cast<double>(values.size());
  const double half = 0.98 * std::sqrt(count);
  const auto at = [&](double rank) { return values[static_cast<std::size_t>(std::clamp(rank, 0.0, count - 1))]; };
  return {at(count / 2), at(count / 2 - half), at(count / 2 + half)};
}

int Rounds() {
  const char* rounds = std::getenv("PPMM_COST_ROUNDS");
  return rounds == nullptr ? 4000 : std::max(100, std::atoi(rounds));
}

// What the kernel takes to run a program that returns at once, on sock_recv_length: a receive that finds nothing passes
// it once.
Estimate EmptyProgramNs() {
  constexpr int kReceives = 1000;
  const bpf_insn body[] = {
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
      {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
  };
  bpf_prog_load_opts options = {};
  options.sz = sizeof(options);
  options.expected_attach_type = BPF_TRACE_RAW_TP;
  options.attach_btf_id = static_cast<std::uint32_t>(libbpf_find_vmlinux_btf_id("sock_recv_length", BPF_TRACE_RAW_TP));
  const int program = bpf_prog_load(BPF_PROG_TYPE_TRACING, "empty", "GPL", body, 2, &options);
  if (program < 0) {
    Fail("load an empty program");
  }
  const Socket socket(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0));
  const auto receive = [&socket] {
    char byte;
    const double begin = ClockNs(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < kReceives; ++i) {
      (void)!recv(socket.fd(), &byte, 1, 0);
    }
    return (ClockNs(CLOCK_THREAD_CPUTIME_ID) - begin) / kReceives;
  };
  std::vector<double> differences;
  for (int i = 0; i < 400; ++i) {
    const double without = receive();
    const int link = bpf_raw_tracepoint_open(nullptr, program);
    if (link < 0) {
      Fail("attach an empty program");
    }
    receive();  // the first after a change of code is slow
    differences.push_back(receive() - without);
    close(link);
    receive();
  }
  close(program);
  return MedianOf(differences);
}

// The programs of the capture, and how often and how long they ran.
class Programs {
 public:
  struct Runs {
    std::uint64_t count = 0;
    std::uint64_t ns = 0;
  };

  // Those that exist now and are not in `before`.
  static std::vector<std::uint32_t> All() {
    std::vector<std::uint32_t> ids;
    for (std::uint32_t id = 0; bpf_prog_get_next_id(id, &id) == 0;) {
      ids.push_back(id);
    }
    return ids;
  }
  explicit Programs(const std::vector<std::uint32_t>& before) {
    for (const std::uint32_t id : All()) {
      if (std::find(before.begin(), before.end(), id) == before.end()) {
        fds_.push_back(bpf_prog_get_fd_by_id(id));
      }
    }
  }
  ~Programs() {
    for (const int fd : fds_) {
      close(fd);
    }
  }
  Programs(const Programs&) = delete;
  Programs& operator=(const Programs&) = delete;

  // By name; only those that take times of requests.
  std::map<std::string, Runs> Read() const {
    std::map<std::string, Runs> runs;
    for (const int fd : fds_) {
      bpf_prog_info info = {};
      std::uint32_t length = sizeof(info);
      if (bpf_obj_get_info_by_fd(fd, &info, &length) == 0) {
        const std::string name = info.name;
        if (name.find("arrival") == 0 || name.find("read") == 0 || name.find("write") == 0) {
          runs[name] = {info.run_cnt, info.run_time_ns};
        }
      }
    }
    return runs;
  }

 private:
  std::vector<int> fds_;
};

struct Capture {
  Capture() : before(Programs::All()) {
    absl::StatusOr<std::unique_ptr<SocketScanner>> created = SocketScanner::Create();
    if (!created.ok() || !(*created)->Seed().ok()) {
      std::fprintf(stderr, "the capture does not load: %s\n", created.status().ToString().c_str());
      std::exit(2);
    }
    scanner = *std::move(created);
    programs = std::make_unique<Programs>(before);
  }
  const std::vector<std::uint32_t> before;
  std::unique_ptr<SocketScanner> scanner;
  std::unique_ptr<Programs> programs;
};

// Executions for a request, all programs together; prints each with the time that the kernel's statistics give.
template <class Block>
double Executions(const Capture& capture, const Block& block) {
  constexpr int kBlocks = 200;
  const int statistics = bpf_enable_stats(BPF_STATS_RUN_TIME);
  const auto before = capture.programs->Read();
  for (int i = 0; i < kBlocks; ++i) {
    block();
  }
  const auto after = capture.programs->Read();
  close(statistics);
  double all = 0;
  for (const auto& [name, runs] : after) {
    const auto count = static_cast<double>(runs.count - before.at(name).count);
    const auto ns = static_cast<double>(runs.ns - before.at(name).ns);
    all += count / kBlocks / kBlock;
    std::printf("  %-22s %6.3f executions a request, %4.0f ns each as the kernel's statistics count, theirs included\n",
                name.c_str(), count / kBlocks / kBlock, count > 0 ? ns / count : 0);
  }
  return all;
}

// Differences of `on` less nothing, for a request; neighbours change their order.
template <class Cost>
std::vector<double> Pairs(const Capture& capture, SocketScanner::Pause on, std::vector<double>* off, const Cost& cost) {
  std::vector<double> differences;
  for (int i = 0; i < Rounds(); ++i) {
    double costs[2] = {};
    for (const bool is_on : {i % 2 == 0, i % 2 != 0}) {
      capture.scanner->PauseCapture(is_on ? on : SocketScanner::Pause::kAll);
      costs[is_on] = cost() / kBlock;
    }
    off->push_back(costs[0]);
    differences.push_back(costs[1] - costs[0]);
  }
  capture.scanner->PauseCapture(SocketScanner::Pause::kNothing);
  return differences;
}

int Turn() {
  const Estimate empty = EmptyProgramNs();
  const Capture capture;
  const Socket listener = Listen();
  const Socket client = Connect(LocalPort(listener));
  const Socket server = Accept(listener);
  const int on = 1;
  setsockopt(client.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  setsockopt(server.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  const auto block = [&] {
    char bytes[kResponseBytes];
    const double begin = ClockNs(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < kBlock; ++i) {
      if (send(client.fd(), bytes, kRequestBytes, 0) < 0 || recv(server.fd(), bytes, sizeof(bytes), 0) < 0 ||
          send(server.fd(), kResponse, kResponseBytes, 0) < 0 || recv(client.fd(), bytes, sizeof(bytes), 0) < 0) {
        Fail("turn");
      }
    }
    return ClockNs(CLOCK_THREAD_CPUTIME_ID) - begin;
  };
  std::puts("a turn over loopback, both ends on this host:");
  const double executions = Executions(capture, block);
  std::vector<double> off;
  const Estimate work = MedianOf(Pairs(capture, SocketScanner::Pause::kNothing, &off, block));
  const double all = work.median + executions * empty.median;
  std::printf("  empty program %.0f ns [%.0f, %.0f], work %.0f ns [%.0f, %.0f] of %.0f ns\n", empty.median, empty.low,
              empty.high, work.median, work.low, work.high, MedianOf(off).median);
  std::printf(
      "  kernel time of a request: %.2f us with the client's end (%.1f executions), %.2f us of the server's end\n",
      all / 1e3, executions, (work.median + executions / 2 * empty.median) / 1e3);
  return all <= 1500 ? 0 : 1;
}

// Requests at an even pace over some connections; the answers are awaited block by block.
class Client {
 public:
  Client(std::uint16_t port, bool redis) {
    for (int i = 0; i < 8; ++i) {
      connections_.push_back(Connect(port));
      const int on = 1;
      setsockopt(connections_.back().fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    request_ = redis ? "*2\r\n$3\r\nGET\r\n$1\r\na\r\n" : "GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n";
  }
  void Block() {
    for (int i = 0; i < kBlock; ++i) {
      next_ = std::max(next_ + 1e9 / kPerSecond, ClockNs(CLOCK_MONOTONIC) - 1e6);
      const timespec at = {static_cast<time_t>(next_ / 1e9), static_cast<long>(std::fmod(next_, 1e9))};
      clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr);
      Ask(connections_[static_cast<std::size_t>(i) % connections_.size()]);
    }
  }

 private:
  void Ask(const Socket& connection) {
    char bytes[4096];
    if (send(connection.fd(), request_.data(), request_.size(), MSG_NOSIGNAL) < 0 ||
        recv(connection.fd(), bytes, sizeof(bytes), 0) <= 0) {
      Fail("the server does not answer");
    }
  }

  std::vector<Socket> connections_;
  std::string request_;
  double next_ = 0;
};

int Server(std::uint16_t port, pid_t pid, bool redis, const char* name) {
  const double goal = redis ? 8 : 5;
  clockid_t server_clock;
  if (clock_getcpuclockid(pid, &server_clock) != 0) {
    Fail("the server's CPU clock");
  }
  const Estimate empty = EmptyProgramNs();
  Client client(port, redis);
  prctl(PR_SET_TIMERSLACK, 1);
  double at_server = 0;  // of the latest block; the rest is the client's
  const auto block = [&] {
    const double begin[] = {ClockNs(server_clock), ClockNs(CLOCK_THREAD_CPUTIME_ID)};
    client.Block();
    at_server = ClockNs(server_clock) - begin[0];
    return at_server + ClockNs(CLOCK_THREAD_CPUTIME_ID) - begin[1];
  };
  std::vector<double> detached[2];
  std::vector<double> attached;
  const auto some = [&](std::vector<double>* out) {
    for (int i = 0; i < Rounds() / 4; ++i) {
      block();
      out->push_back(at_server / kBlock);
    }
  };
  some(&detached[0]);
  double executions = 0;
  Estimate work;
  Estimate with_client;
  Estimate off;
  {
    const Capture capture;
    some(&attached);
    std::printf("%s at %.0f requests a second:\n", name, kPerSecond);
    executions = Executions(capture, block);
    std::vector<double> both_ends;
    work = MedianOf(Pairs(capture, SocketScanner::Pause::kCalls, &both_ends, block));
    with_client = MedianOf(Pairs(capture, SocketScanner::Pause::kNothing, &both_ends, block));
    std::vector<double> server_end;
    capture.scanner->PauseCapture(SocketScanner::Pause::kAll);
    some(&server_end);
    capture.scanner->PauseCapture(SocketScanner::Pause::kNothing);
    off = MedianOf(server_end);
    some(&attached);
  }
  some(&detached[1]);
  const double of_server = executions - 3;  // the client sends once and receives once, and has one arrival
  const double there = of_server * empty.median;
  const double base = off.median - there;
  const auto share = [&](double ns) { return 100 * (ns + there) / base; };
  const Estimate result = {share(work.median), share(work.low), share(work.high)};
  std::vector<double> outside = detached[0];
  outside.insert(outside.end(), detached[1].begin(), detached[1].end());
  const double a = MedianOf(outside).median;
  const double b = MedianOf(attached).median;
  std::printf(
      "  server CPU %.1f us a request; empty program %.0f ns [%.0f, %.0f] x %.1f executions, work %.0f ns "
      "[%.0f, %.0f]\n",
      base / 1e3, empty.median, empty.low, empty.high, of_server, work.median, work.low, work.high);
  std::printf("  cost of the capture: %+.1f %% [%+.1f, %+.1f], goal %.0f %%\n", result.median, result.low, result.high,
              goal);
  std::printf("  not judged, with the times of calls at the client's end: work %.0f ns [%.0f, %.0f], %+.1f %%\n",
              with_client.median, with_client.low, with_client.high, share(with_client.median));
  std::printf("  not judged, A-B-B-A: %.1f us without, %.1f us with, %+.1f %%\n", a / 1e3, b / 1e3, 100 * (b / a - 1));
  if (result.high - result.median > 3 || result.median - result.low > 3) {
    std::puts("  INCONCLUSIVE");
    return 3;
  }
  return result.median <= goal ? 0 : 1;
}

}  // namespace
}  // namespace ppmm

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "turn" && argc == 2) {
    return ppmm::Turn();
  }
  if (mode == "server" && argc == 6) {
    return ppmm::Server(static_cast<std::uint16_t>(std::atoi(argv[2])), std::atoi(argv[3]),
                        std::strcmp(argv[4], "redis") == 0, argv[5]);
  }
  std::fputs("request_cost_meter turn, or request_cost_meter server PORT PID http|redis NAME\n", stderr);
  return 2;
}
