// A sketch goes through a real Prometheus as a native histogram and comes back with the same counts in buckets of the
// same bounds. The test itself is the target that Prometheus scrapes.
#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "common/sketch.h"
#include "common/varint.h"

namespace ppmm {
namespace {

// ---- protobuf by hand: io.prometheus.client.MetricFamily, which no package brings as a .proto
// ------------------------

void PutInteger(int field, uint64_t value, std::string* out) {
  AppendVarint(static_cast<uint64_t>(field) << 3, out);
  AppendVarint(value, out);
}

void PutDouble(int field, double value, std::string* out) {
  AppendVarint(static_cast<uint64_t>(field) << 3 | 1, out);
  char bytes[sizeof(value)];
  std::memcpy(bytes, &value, sizeof(value));
  out->append(bytes, sizeof(bytes));
}

void PutBytes(int field, absl::string_view value, std::string* out) {
  AppendVarint(static_cast<uint64_t>(field) << 3 | 2, out);
  AppendVarint(value.size(), out);
  out->append(value.data(), value.size());
}

std::string Exposition(const NativeHistogram& native) {
  std::string histogram;
  PutInteger(1, native.count, &histogram);
  PutDouble(2, native.sum_seconds, &histogram);
  PutInteger(5, ZigZag(native.schema), &histogram);
  PutDouble(6, native.zero_threshold, &histogram);
  PutInteger(7, native.zero_count, &histogram);
  for (const NativeHistogram::Span& span : native.spans) {
    std::string bytes;
    PutInteger(1, ZigZag(span.offset), &bytes);
    PutInteger(2, span.length, &bytes);
    PutBytes(12, bytes, &histogram);
  }
  for (const int64_t delta : native.deltas) {
    PutInteger(13, ZigZag(delta), &histogram);
  }
  std::string metric;
  PutBytes(7, histogram, &metric);
  std::string family;
  PutBytes(1, "round_trip_seconds", &family);
  PutInteger(3, 4, &family);  // HISTOGRAM
  PutBytes(4, metric, &family);
  std::string delimited;
  AppendVarint(family.size(), &delimited);
  return delimited + family;
}

// ---- a target and a Prometheus
// ---------------------------------------------------------------------------------------

// A listening socket on a free port of loopback.
class Listener {
 public:
  Listener() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(fd_, 8), 0);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener() { close(fd_); }

  int port() const { return port_; }

  // Answers one request, whatever it asks; false when none comes within 15 s.
  bool Answer(const std::string& body) const {
    pollfd waiting{fd_, POLLIN, 0};
    if (poll(&waiting, 1, 15'000) != 1) {
      return false;
    }
    const int connection = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
    char request[4096];
    bool answered = recv(connection, request, sizeof(request), 0) > 0;
    const std::string response =
        absl::StrCat("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ", body.size(),
                     "\r\nContent-Type: application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; "
                     "encoding=delimited\r\n\r\n",
                     body);
    for (size_t sent = 0; answered && sent < response.size();) {
      const ssize_t n = send(connection, response.data() + sent, response.size() - sent, MSG_NOSIGNAL);
      answered = n > 0;
      sent += answered ? static_cast<size_t>(n) : 0;
    }
    close(connection);
    return answered;
  }

 private:
  int fd_;
  int port_ = 0;
};

// Prometheus in a folder of its own, on a port that was free a moment ago.
class Prometheus {
 public:
  explicit Prometheus(int target_port) {
    std::string folder = (std::filesystem::temp_directory_path() / "ppmm-prometheus-XXXXXX").string();
    EXPECT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    std::ofstream(folder + "/prometheus.yml") << "scrape_configs:\n  - job_name: sketch\n    scrape_interval: 1s\n    "
                                                 "static_configs:\n      - targets: ['127.0.0.1:"
                                              << target_port << "']\n";
    port_ = Listener().port();
    pid_ = fork();
    if (pid_ == 0) {
      const std::string config = "--config.file=" + folder + "/prometheus.yml";
      const std::string data = "--storage.tsdb.path=" + folder + "/data";
      const std::string address = absl::StrCat("--web.listen-address=127.0.0.1:", port_);
      execlp("prometheus", "prometheus", "--log.level=error", "--enable-feature=native-histograms", config.c_str(),
             data.c_str(), address.c_str(), static_cast<char*>(nullptr));
      _exit(127);
    }
  }
  Prometheus(const Prometheus&) = delete;
  Prometheus& operator=(const Prometheus&) = delete;
  ~Prometheus() {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  nlohmann::json Query(const std::string& expression) const {
    std::string body;
    CURL* curl = curl_easy_init();
    const std::string url = absl::StrCat("http://127.0.0.1:", port_, "/api/v1/query?query=", expression);
    curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 15L);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    curl_easy_setopt(
        curl, CURLOPT_WRITEFUNCTION, +[](char* data, size_t size, size_t n, void* to) {
          static_cast<std::string*>(to)->append(data, size * n);
          return size * n;
        });
    EXPECT_EQ(curl_easy_perform(curl), CURLE_OK);
    curl_easy_cleanup(curl);
    return nlohmann::json::parse(body, nullptr, false);
  }

 private:
  std::filesystem::path folder_;
  int port_ = 0;
  pid_t pid_ = 0;
};

double Number(const nlohmann::json& text) {
  double value = std::nan("");
  EXPECT_TRUE(absl::SimpleAtod(text.get<std::string>(), &value)) << text;
  return value;
}

TEST(SketchPrometheusTest, ComesBackFromPrometheusBucketByBucket) {
  if (std::system("prometheus --version >/dev/null 2>&1") != 0) {
    std::puts("skipped: this machine has no prometheus");
    std::fflush(stdout);
    _exit(77);
  }
  Sketch sketch;
  sketch.Add(-1, 3);
  for (int32_t index = Sketch::IndexOf(128); index <= Sketch::IndexOf(549'000'000'000); ++index) {
    // Ends of buckets only: were a bound off by one nanosecond, a count would lie in the wrong bucket.
    sketch.Add(static_cast<int64_t>(Sketch::FirstNs(index)), 1 + static_cast<uint64_t>(index & 3));
    sketch.Add(static_cast<int64_t>(Sketch::LastNs(index)), index % 50 == 0 ? 1000 : 1);
  }
  sketch.Add(3'600'000'000'000);  // a gap: a batch job of an hour

  const Listener target;
  const Prometheus prometheus(target.port());
  const std::string body = Exposition(sketch.Native());
  // When the third scrape comes, the first is stored.
  for (int scrape = 0; scrape < 3; ++scrape) {
    ASSERT_TRUE(target.Answer(body)) << "Prometheus does not scrape";
  }
  const nlohmann::json answer = prometheus.Query("round_trip_seconds");
  ASSERT_EQ(answer.value("status", ""), "success") << answer;
  const nlohmann::json& result = answer["data"]["result"];
  ASSERT_EQ(result.size(), 1u) << answer;
  const nlohmann::json& histogram = result[0]["histogram"][1];
  EXPECT_EQ(Number(histogram["count"]), static_cast<double>(sketch.count()));
  EXPECT_EQ(Number(histogram["sum"]), sketch.sum_seconds());

  const nlohmann::json& buckets = histogram["buckets"];  // [rule, lower, upper, count], the zero bucket first
  ASSERT_EQ(buckets.size(), sketch.buckets().size() + 1);
  EXPECT_EQ(Number(buckets[0][2]), 0.0);
  EXPECT_EQ(Number(buckets[0][3]), 3.0);
  for (size_t i = 0; i < sketch.buckets().size(); ++i) {
    const auto [index, count] = sketch.buckets()[i];
    const nlohmann::json& bucket = buckets[i + 1];
    EXPECT_EQ(bucket[0], 0) << "open to the left, closed to the right";
    EXPECT_DOUBLE_EQ(Number(bucket[1]), Sketch::UpperBoundSeconds(index - 1));
    EXPECT_DOUBLE_EQ(Number(bucket[2]), Sketch::UpperBoundSeconds(index));
    EXPECT_LT(Number(bucket[1]), static_cast<double>(Sketch::FirstNs(index)) / 1e9) << index;
    EXPECT_LE(static_cast<double>(Sketch::LastNs(index)) / 1e9, Number(bucket[2])) << index;
    EXPECT_EQ(Number(bucket[3]), static_cast<double>(count)) << index;
  }
}

}  // namespace
}  // namespace ppmm
