// Configuration files. Input: which of the two programs, then the text.
#include <algorithm>

#include "absl/strings/ascii.h"

#include "agent/config.h"
#include "collector/config.h"
#include "common/config_loader.h"
#include "proto/agent_config.pb.h"
#include "proto/collector_config.pb.h"
#include "tests/fuzz/fuzz.h"

namespace ppmm::fuzz {
namespace {

void CheckReport(const absl::Status& status, const ConfigReport& report) {
  Require(status.ok() == report.ok(), "a status that is not OK has a mistake");
  Require(report.errors().size() <= ConfigReport::kMaxErrors + 1, "mistakes are bounded");
  for (const ConfigError& error : report.errors()) {
    const std::string text = ToString(error);
    Require(std::none_of(text.begin(), text.end(),
                         [](char c) { return absl::ascii_iscntrl(static_cast<unsigned char>(c)); }),
            "a message has no control characters");
  }
}

}  // namespace

void Run(absl::string_view input) {
  Input in(input);
  const bool collector = in.Byte() % 2 != 0;
  ConfigReport report("f.yaml");
  if (collector) {
    config::CollectorConfig config;
    SetDefaults(&config);
    CheckReport(LoadYaml("f.yaml", in.Rest(), &config, &report), report);
    Validate(config, &report);
  } else {
    config::AgentConfig config;
    SetDefaults(&config);
    CheckReport(LoadYaml("f.yaml", in.Rest(), &config, &report), report);
    Validate(config, {"cpu", "meminfo"}, &report);
  }
}

std::vector<std::string> Seeds() {
  return {
      std::string(1, '\0') +
          "collector: monitor.example.org:7767\ngroup: default\nspool:\n  max_mib: 256\n"
          "sources:\n  bpf: auto\n  disable: [cpu]\ntls: insecure_network\n",
      std::string("\1") +
          "http:\n  listen: \"[::1]:7766\"\nnetworks:\n  - 10.0.0.0/8\nretention:\n  minutes: 14d\n"
          "# a comment\nlimits: {hosts: 5}\n",
      std::string("\1") + "a: &b [*b]\n--- \n\t? !!x y\n",
      std::string("\1") + "http:\n lisen: 'x\\t'\n listen: \"\\u0007\"\n",
  };
}

}  // namespace ppmm::fuzz
