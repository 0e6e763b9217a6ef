// A client of the HTTP server. Input: flags, then pieces: what the client sends, as it arrives.
#include <cstring>
#include <deque>

#include "collector/http/router.h"
#include "collector/http/session.h"
#include "collector/http/target.h"
#include "tests/fuzz/fuzz.h"

namespace ppmm::fuzz {
namespace {

constexpr std::uint8_t kFromSocket = 1;

// Gives the pieces and takes the answers. Callbacks run from RunTasks, never within a call, as on a strand.
class ScriptedConnection : public http::Connection {
 public:
  struct Script {
    std::deque<std::string> pieces;
    std::string answered;
    std::deque<std::function<void()>> tasks;
    bool closed = false;
  };
  ScriptedConnection(Script* script, http::Peer peer) : script_(script), peer_(std::move(peer)) {}

  const http::Peer& peer() const override { return peer_; }
  void Read(char* data, std::size_t size, Done done) override {
    script_->tasks.emplace_back([script = script_, data, size, done = std::move(done)] {
      if (script->closed || script->pieces.empty()) {
        done(false, 0);
        return;
      }
      std::string& piece = script->pieces.front();
      const std::size_t taken = std::min(size, piece.size());
      std::memcpy(data, piece.data(), taken);
      piece.erase(0, taken);
      if (piece.empty()) {
        script->pieces.pop_front();
      }
      done(true, taken);
    });
  }
  void Write(absl::string_view data, Done done) override {
    script_->answered.append(data.data(), data.size());
    script_->tasks.emplace_back(
        [script = script_, size = data.size(), done = std::move(done)] { done(!script->closed, size); });
  }
  void SetDeadline(absl::Duration, std::function<void()>) override {}
  void ClearDeadline() override {}
  void CloseSending() override {}
  void Close() override { script_->closed = true; }
  void Post(std::function<void()> task) override { script_->tasks.push_back(std::move(task)); }

 private:
  Script* const script_;
  const http::Peer peer_;
};

const http::Router& TheRouter() {
  static const http::Router* const router = [] {
    auto* made = new http::Router(http::AllowedNames({"monitor.example.org"}));
    const auto echo = [](http::Request& request) {
      return http::JsonError(200, request.path.GetOr("id", request.query.GetOr("at", request.body)));
    };
    made->Add(http::Method::kGet, "/", [](http::Request&) { return http::HtmlResponse("page"); });
    made->Add(http::Method::kGet, "/metrics", [](http::Request&) {
      return http::StreamResponse("text/plain", [n = 0](std::string* piece) mutable -> absl::StatusOr<bool> {
        *piece += "line\n";
        return ++n < 3;
      });
    });
    made->Add(http::Method::kGet, "/api/v1/activities/{id}", echo, http::Access::kDefault, {"at"});
    made->Add(http::Method::kPost, "/api/v1/reload", echo);
    made->Add(http::Method::kPost, "/ack/{id}", echo, http::Access::kAnywhere);
    return made;
  }();
  return *router;
}

}  // namespace

void Run(absl::string_view input) {
  Input in(input);
  http::Peer peer{"192.0.2.7", "192.0.2.1", std::nullopt};
  if ((in.Byte() & kFromSocket) != 0) {
    peer = {"", "", 1000};
  }
  ScriptedConnection::Script script;
  while (!in.empty()) {
    script.pieces.emplace_back(in.Piece());
    if (script.pieces.back().empty()) {
      script.pieces.pop_back();
    }
  }
  if (!script.pieces.empty()) {
    const std::string target = script.pieces.front();
    if (http::ParseTarget(target).ok()) {
      Require(target.size() <= 4096 && target[0] == '/', "a good target has its shape");
    }
    const absl::StatusOr<http::Target> there =
        http::ParseTarget("/" + http::PercentEncode(target) + "?a=" + http::PercentEncode(target));
    if (there.ok()) {
      Require(there->segments == std::vector<std::string>{target} && there->query.GetOr("a", "") == target,
              "what is percent-encoded is decoded to the same");
    }
  }

  const http::SessionLimits limits;
  http::SessionCounters counters;
  const http::Handler handler = [](http::Request& request) { return TheRouter().Handle(request); };
  bool ended = false;
  {
    const std::shared_ptr<http::Session> session =
        http::MakeSession(std::make_unique<ScriptedConnection>(&script, std::move(peer)), &limits, &handler, &counters,
                          [&] { ended = true; });
    session->Start();
  }
  for (int tasks = 0; !script.tasks.empty(); ++tasks) {
    Require(tasks < 100'000, "a conversation comes to an end");
    const std::function<void()> task = std::move(script.tasks.front());
    script.tasks.pop_front();
    task();
  }
  Require(ended, "a session ends with its connection");
  Require(script.answered.empty() || script.answered.compare(0, 9, "HTTP/1.1 ") == 0, "an answer begins as HTTP");
}

std::vector<std::string> Seeds() {
  const std::string host = "Host: localhost\r\n";
  return {
      std::string(1, '\0') + Piece("GET / HTTP/1.1\r\n" + host + "\r\nGET /metrics HTTP/1.1\r\n" + host + "\r\n"),
      std::string("\1") + Piece("POST /api/v1/reload HTTP/1.1\r\n" + host + "Content-Length: 5\r\n\r\nhe") +
          Piece("llo"),
      std::string(1, '\0') +
          Piece("POST /ack/a%2Fb HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
      std::string(1, '\0') +
          Piece("POST /ack/a%2Fb HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\nhello\r\n0/\r\n\r\n"),
      std::string(1, '\0') +
          Piece("HEAD /api/v1/activities/RSP-101?at=1+2 HTTP/1.0\r\nOrigin: http://evil.example\r\n\r\n"),
      std::string(1, '\0') + Piece("/api/v1/activities/%41?at=a%20b&at=c"),
      std::string(1, '\0') + Piece("GET  / HTTP/9.9\r\nbad header\r\n\r\n"),
  };
}

}  // namespace ppmm::fuzz
