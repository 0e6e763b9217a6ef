#include "collector/http/session.h"

#include <algorithm>
#include <array>
#include <exception>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
// <utility> comes before Boost: 1.74 uses std::exchange without including it.
#include "boost/asio/buffer.hpp"
#include "boost/beast/http/parser.hpp"
#include "boost/beast/http/string_body.hpp"

#include "common/log.h"

namespace ppmm::http {
namespace {

namespace beast_http = boost::beast::http;
using RequestParser = beast_http::request_parser<beast_http::string_body>;

constexpr size_t kReadBytes = 8 * 1024;
// What is read and thrown away of a request that was refused, so that the refusal is not lost in a connection reset.
constexpr size_t kMaxDiscard = 4 * 1024 * 1024;
// "0000ffff\r\n": a chunk's size is written into room that was left before it. Leading zeros are legal (RFC 9112, 7.1).
constexpr size_t kChunkHead = 10;

constexpr absl::string_view kDefaultHeaders[][2] = {
    {"Content-Security-Policy",
     "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; img-src data:"},
    {"X-Content-Type-Options", "nosniff"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Cache-Control", "no-store"},
};

// Header values come from handlers and may carry outside text: a line break in one would forge a header.
bool IsHeaderSafe(absl::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return absl::ascii_iscntrl(static_cast<unsigned char>(c)); });
}

absl::string_view ToAbsl(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

Method ToMethod(beast_http::verb verb) {
  switch (verb) {
    case beast_http::verb::get:
      return Method::kGet;
    case beast_http::verb::head:
      return Method::kHead;
    case beast_http::verb::post:
      return Method::kPost;
    case beast_http::verb::put:
      return Method::kPut;
    case beast_http::verb::delete_:
      return Method::kDelete;
    default:
      return Method::kOther;
  }
}

class BeastSession final : public Session {
 public:
  BeastSession(std::unique_ptr<Connection> connection, const SessionLimits* limits, const Handler* handler,
               SessionCounters* counters, std::function<void()> on_end)
      : limits_(limits),
        handler_(handler),
        counters_(counters),
        on_end_(std::move(on_end)),
        connection_(std::move(connection)) {}

  ~BeastSession() override { on_end_(); }

  void Start() override {
    BeginPhase(Phase::kIdle, limits_->header);
    ReadMore();
  }

  void Drain() override {
    draining_ = true;
    if (phase_ == Phase::kIdle || phase_ == Phase::kLinger) {
      End();
    }
  }

  void Abort() override { End(); }

  void Post(std::function<void()> task) override { connection_->Post(std::move(task)); }

 private:
  enum class Phase { kIdle, kHeader, kBody, kAnswer, kLinger, kEnded };

  std::shared_ptr<BeastSession> Self() { return std::static_pointer_cast<BeastSession>(shared_from_this()); }

  void BeginPhase(Phase phase, absl::Duration limit) {
    phase_ = phase;
    // Weak: a deadline alone must not keep a session alive.
    connection_->SetDeadline(limit, [weak = std::weak_ptr<Session>(shared_from_this())] {
      if (auto self = weak.lock()) {
        static_cast<BeastSession*>(self.get())->OnDeadline();
      }
    });
  }

  void OnDeadline() {
    switch (phase_) {
      case Phase::kIdle:
        ++counters_->closed_idle;
        End();
        break;
      case Phase::kHeader:
      case Phase::kBody:
        ++counters_->cut_slow_request;
        Fail(408, "the request did not arrive in time");
        break;
      case Phase::kAnswer:
        ++counters_->cut_slow_reader;
        End();
        break;
      case Phase::kLinger:
      case Phase::kEnded:
        End();
        break;
    }
  }

  void End() {
    phase_ = Phase::kEnded;
    connection_->ClearDeadline();
    connection_->Close();
  }

  // ---- reading

  void ReadMore() {
    reading_ = true;
    connection_->Read(read_.data(), read_.size(), [self = Self()](bool ok, size_t bytes) { self->OnRead(ok, bytes); });
  }

  void OnRead(bool ok, size_t bytes) {
    reading_ = false;
    switch (phase_) {
      case Phase::kEnded:
        return;
      case Phase::kAnswer:  // a deadline has answered while this read was waiting
        if (ok) {
          discarded_ += bytes;
        } else {
          peer_closed_ = true;
        }
        return;
      case Phase::kLinger:
        discarded_ += bytes;
        if (!ok || discarded_ > kMaxDiscard) {
          End();
        } else {
          ReadMore();
        }
        return;
      case Phase::kIdle:
      case Phase::kHeader:
      case Phase::kBody:
        if (!ok) {
          End();
          return;
        }
        input_.append(read_.data(), bytes);
        Parse();
        return;
    }
  }

  // Feeds the parser what has come. Ends in a handled request, a refusal, or the next read.
  void Parse() {
    if (phase_ == Phase::kIdle) {
      if (input_.empty()) {
        ReadMore();
        return;
      }
      BeginPhase(Phase::kHeader, limits_->header);
      parser_.emplace();
      parser_->eager(false);  // stops behind the header
      parser_->header_limit(limits_->header_bytes);
      parser_->body_limit(limits_->body_bytes);
    }
    boost::system::error_code error;
    size_t used = 0;
    while (used < input_.size() && !parser_->is_done()) {
      const size_t n = parser_->put(boost::asio::buffer(input_.data() + used, input_.size() - used), error);
      used += n;
      if (!error && parser_->is_header_done() && !parser_->eager()) {
        // Beast 1.74 aborts on some chunked bodies, and no client of ours sends any.
        if (parser_->chunked()) {
          Fail(411, "a body needs Content-Length; Transfer-Encoding is not taken");
          return;
        }
        parser_->eager(true);
      }
      if (error == beast_http::error::need_more) {
        error = {};
        if (n == 0) {
          break;
        }
      } else if (error || n == 0) {
        break;
      }
    }
    input_.erase(0, used);
    if (error) {
      FailParse(error);
    } else if (parser_->is_done()) {
      Handle();
    } else if (input_.size() > limits_->header_bytes + kReadBytes) {
      // The parser waits for the end of something that has no end, such as a chunk extension.
      Fail(400, "malformed request");
    } else {
      if (phase_ == Phase::kHeader && parser_->is_header_done()) {
        BeginPhase(Phase::kBody, limits_->body);
        if (absl::EqualsIgnoreCase(ToAbsl(parser_->get()[beast_http::field::expect]), "100-continue")) {
          SendContinue();
          return;
        }
      }
      ReadMore();
    }
  }

  // Beast doesn't answer Expect; clients wait a second for it before they send a body.
  void SendContinue() {
    output_ = "HTTP/1.1 100 Continue\r\n\r\n";
    connection_->Write(output_, [self = Self()](bool ok, size_t) {
      if (self->phase_ != Phase::kBody) {
        return;
      }
      if (ok) {
        self->ReadMore();
      } else {
        self->End();
      }
    });
  }

  void FailParse(boost::system::error_code error) {
    if (error == beast_http::error::header_limit) {
      Fail(431, absl::StrCat("the header is larger than ", limits_->header_bytes, " bytes"));
    } else if (error == beast_http::error::body_limit) {
      Fail(413, absl::StrCat("the body is larger than ", limits_->body_bytes, " bytes"));
    } else {
      Fail(400, "malformed request");
    }
  }

  // ---- answering

  void Fail(int status, absl::string_view text) {
    keep_alive_ = false;
    head_only_ = false;
    chunks_allowed_ = false;
    Answer(TextResponse(status, text));
  }

  void Handle() {
    auto& message = parser_->get();
    const bool is_1_1 = message.version() >= 11;
    keep_alive_ = message.keep_alive();
    head_only_ = message.method() == beast_http::verb::head;
    chunks_allowed_ = is_1_1;
    const auto hosts = message.count(beast_http::field::host);
    if (hosts > 1 || (is_1_1 && hosts == 0)) {
      Fail(400, "exactly one Host header is needed");
      return;
    }
    Request request;
    request.method = ToMethod(message.method());
    request.target = std::string(ToAbsl(message.target()));
    request.peer = connection_->peer();
    request.body = std::move(message.body());
    for (const auto& field : message) {
      const std::string name = absl::AsciiStrToLower(ToAbsl(field.name_string()));
      for (const absl::string_view wanted :
           {"host", "origin", "accept", "content-type", "if-none-match", "user-agent"}) {
        if (name == wanted) {
          request.headers.Add(name, std::string(ToAbsl(field.value())));
        }
      }
    }
    connection_->ClearDeadline();
    Response response;
    try {
      response = (*handler_)(request);
    } catch (const std::exception& e) {  // our code doesn't throw; the libraries behind a handler may
      LogError("http", MethodName(request.method), " ", EscapeForDisplay(request.target), ": ", e.what());
      response = TextResponse(500, "internal error; the collector's log has the cause");
    }
    ++counters_->requests;
    Answer(std::move(response));
  }

  void Answer(Response response) {
    if (response.status >= 500) {
      ++counters_->server_errors;
    } else if (response.status >= 400) {
      ++counters_->client_errors;
    }
    parser_.reset();
    keep_alive_ = keep_alive_ && !draining_;
    response_ = std::move(response);
    body_sent_ = 0;
    const bool bodyless = response_.status == 204 || response_.status == 304;
    chunked_ = response_.stream != nullptr && chunks_allowed_;
    if (response_.stream != nullptr && !chunks_allowed_) {
      keep_alive_ = false;  // HTTP/1.0: the end of the connection is the end of the body
    }
    output_ = Head(bodyless);
    if (head_only_ || bodyless) {
      response_.stream = nullptr;
      response_.body.clear();
    }
    WriteOutput(response_.stream != nullptr || !response_.body.empty());
  }

  std::string Head(bool bodyless) const {
    std::string head = absl::StrCat(
        "HTTP/1.1 ", response_.status, " ",
        ToAbsl(beast_http::obsolete_reason(beast_http::int_to_status(static_cast<unsigned>(response_.status)))),
        "\r\nContent-Type: ", response_.content_type, "\r\n");
    if (chunked_) {
      absl::StrAppend(&head, "Transfer-Encoding: chunked\r\n");
    } else if (response_.stream == nullptr && !bodyless) {
      absl::StrAppend(&head, "Content-Length: ", response_.body.size(), "\r\n");
    }
    if (!keep_alive_) {
      absl::StrAppend(&head, "Connection: close\r\n");
    } else if (!chunks_allowed_) {
      absl::StrAppend(&head, "Connection: keep-alive\r\n");
    }
    for (const auto& [name, value] : kDefaultHeaders) {
      if (std::none_of(response_.headers.begin(), response_.headers.end(),
                       [name = name](const auto& own) { return absl::EqualsIgnoreCase(own.first, name); })) {
        absl::StrAppend(&head, name, ": ", value, "\r\n");
      }
    }
    for (const auto& [name, value] : response_.headers) {
      if (IsHeaderSafe(name) && IsHeaderSafe(value)) {
        absl::StrAppend(&head, name, ": ", value, "\r\n");
      }
    }
    head.append("\r\n");
    return head;
  }

  void WriteOutput(bool more) {
    BeginPhase(Phase::kAnswer, limits_->write);
    connection_->Write(output_, [self = Self(), more](bool ok, size_t bytes) {
      self->counters_->sent_bytes += bytes;
      if (self->phase_ == Phase::kEnded) {
        return;
      }
      if (!ok) {
        self->End();
      } else if (more) {
        self->WriteNextPiece();
      } else {
        self->FinishAnswer();
      }
    });
  }

  // Only when the piece before has been taken by the client's side: memory stays at one piece a connection.
  void WriteNextPiece() {
    if (response_.stream == nullptr) {
      output_.assign(response_.body, body_sent_, kPieceBytes);
      body_sent_ += output_.size();
      WriteOutput(body_sent_ < response_.body.size());
      return;
    }
    output_.assign(chunked_ ? kChunkHead : 0, '0');
    connection_->ClearDeadline();
    absl::StatusOr<bool> more = absl::InternalError("");
    try {
      more = response_.stream(&output_);
    } catch (const std::exception& e) {
      more = absl::InternalError(e.what());
    }
    if (!more.ok()) {
      ++counters_->server_errors;
      LogWarning("http", "answer cut: ", more.status().message());
      End();
      return;
    }
    if (chunked_) {
      const size_t size = output_.size() - kChunkHead;
      if (size == 0) {
        output_.clear();
      } else {
        output_.replace(0, kChunkHead, absl::StrCat(absl::Hex(size, absl::kZeroPad8), "\r\n"));
        output_.append("\r\n");
      }
      if (!*more) {
        output_.append("0\r\n\r\n");
      }
    }
    WriteOutput(*more);
  }

  void FinishAnswer() {
    response_ = {};
    output_.clear();
    output_.shrink_to_fit();
    if (keep_alive_ && !draining_) {
      BeginPhase(Phase::kIdle, limits_->idle);
      Parse();  // the next request may be here already
      return;
    }
    if (keep_alive_ &&
        input_.empty()) {  // idle from now on, and draining: nothing unread can turn the close into a reset
      End();
      return;
    }
    connection_->CloseSending();
    if (peer_closed_) {
      End();
      return;
    }
    BeginPhase(Phase::kLinger, limits_->linger);
    if (!reading_) {
      ReadMore();
    }
  }

  const SessionLimits* const limits_;
  const Handler* const handler_;
  SessionCounters* const counters_;
  const std::function<void()> on_end_;

  Phase phase_ = Phase::kIdle;
  bool draining_ = false;

  std::array<char, kReadBytes> read_;
  bool reading_ = false;  // a read is waiting
  bool peer_closed_ = false;
  std::string input_;  // read, not yet parsed: at most header_bytes + 2 * kReadBytes
  size_t discarded_ = 0;
  std::optional<RequestParser> parser_;

  Response response_;
  bool keep_alive_ = true;
  bool head_only_ = false;
  bool chunks_allowed_ = false;
  bool chunked_ = false;
  size_t body_sent_ = 0;
  std::string output_;  // what is being written

  // Last: destroyed first, while what its callbacks point to is still there.
  const std::unique_ptr<Connection> connection_;
};

}  // namespace

std::shared_ptr<Session> MakeSession(std::unique_ptr<Connection> connection, const SessionLimits* limits,
                                     const Handler* handler, SessionCounters* counters, std::function<void()> on_end) {
  return std::make_shared<BeastSession>(std::move(connection), limits, handler, counters, std::move(on_end));
}

}  // namespace ppmm::http
