// One agent of the world, as the collector sees it: frames on the wire. It lives by its host's script, keeps what is
// not acknowledged, and sends it again on the next stream. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"

#include "collector/ingest_session.h"
#include "common/metrics.h"
#include "common/sketch.h"
#include "tests/testing/manual_clock.h"
#include "tests/world/script.h"

namespace ppmm {

class WorldAgent {
 public:
  // `machine`: number of the machine id; two hosts may share it. `number`: the agent's own.
  WorldAgent(const HostScript* script, int machine, int number);

  // A minute begins: the agent starts, stops, boots, begins an epoch, gets or loses its network.
  void Begin(int minute);
  // The minute is over: its batch is in the spool.
  void Live(int minute);

  bool wants_stream() const { return running_ && online_ && session_ == nullptr; }
  void Connect(const ManualClock& clock, IngestQueue* queue, IngestCounters* counters);
  // Reads what the collector said since; then sends what was not sent on this stream.
  void Exchange(const ManualClock& clock);
  // The stream is gone, whoever ended it.
  void Disconnect();

  const std::string& name() const { return script_->name; }
  std::uint64_t produced() const { return produced_in_all_; }
  std::uint64_t refused() const { return refused_; }
  std::size_t waiting() const { return spool_.size(); }

 private:
  class Sink;
  struct Line {
    std::uint32_t id = 0;
    std::uint32_t entity = 0;
    const Metric* metric = nullptr;
    std::vector<std::string> labels;
    bool still = false;
    const ApplicationScript* application = nullptr;  // null: of the host
  };
  struct Record {
    std::uint64_t epoch = 0;
    std::uint64_t seq = 0;
    std::string frame;
    std::uint32_t samples = 0;
    bool sent = false;
  };

  void AddLine(std::uint32_t entity, const std::string& metric, std::vector<std::string> labels,
               const ApplicationScript* application);
  void BeginEpoch();
  // Names what lives, will live, or may be in a batch that waits.
  std::string DictionaryFrame() const;
  bool IsNamed(const ApplicationScript* application) const;
  std::int64_t ValueOf(const Line& line, int minute, int step) const;
  std::int64_t RequestsOf(const Line& line, int minute) const;
  Sketch TimesOf(const Line& line, int minute, int step) const;
  bool Missing(const Line& line, int minute) const;
  void AddEvents(int minute, wire::Batch* batch) const;
  void TakeAnswers();
  void SendFrame(const ManualClock& clock, const std::string& frame);
  void Forget(std::uint64_t epoch, std::uint64_t up_to);

  const HostScript* const script_;
  const int machine_;
  const int number_;
  std::vector<Line> lines_;

  int minute_ = 0;
  bool running_ = false;
  bool online_ = true;
  bool was_off_ = false;
  wire::HostLife life_;

  std::uint64_t epoch_ = 0;
  std::uint64_t seq_ = 0;
  std::uint64_t produced_ = 0;  // of the epoch
  std::uint64_t produced_in_all_ = 0;
  std::uint64_t refused_ = 0;                            // samples that the collector refused
  std::uint64_t told_refused_ = 0;                       // of these, what it was told on this stream
  std::map<std::uint64_t, std::string> dictionaries_;    // of the epochs of which anything waits, and the current one
  std::map<std::uint64_t, std::uint64_t> acknowledged_;  // of the same
  std::deque<Record> spool_;

  std::shared_ptr<Sink> sink_;
  std::unique_ptr<IngestSession> session_;
  std::set<std::uint64_t> told_;  // epochs whose dictionary went over this stream
};

}  // namespace ppmm
