// The files of /proc, and what is said about processes in them. Input: which parser, then the text.
#include "agent/host_info.h"
#include "agent/identify/container.h"
#include "agent/identify/package_database.h"
#include "agent/identify/unit.h"
#include "agent/proc_task_scanner.h"
#include "agent/process_extras.h"
#include "agent/sources/cpu.h"
#include "agent/sources/diskstats.h"
#include "agent/sources/filesystem.h"
#include "agent/sources/limits.h"
#include "agent/sources/memory.h"
#include "agent/sources/netdev.h"
#include "agent/sources/netstat.h"
#include "agent/sources/pressure.h"
#include "agent/sources/schedstat.h"
#include "agent/sources/softnet.h"
#include "tests/fuzz/fuzz.h"

namespace ppmm::fuzz {
namespace {

struct Parser {
  void (*run)(absl::string_view text);
  const char* sample;
};

void CheckMessage(const absl::Status& status) {
  Require(status.ok() || !status.message().empty(), "an error says what is wrong");
}

void RunVersions(absl::string_view text) {
  const std::size_t half = text.find(' ');
  const absl::string_view a = text.substr(0, half);
  const absl::string_view b = half == absl::string_view::npos ? "" : text.substr(half + 1);
  const auto sign = [](int value) { return (value > 0) - (value < 0); };
  Require(sign(CompareVersions(a, b)) == -sign(CompareVersions(b, a)), "the order of versions has two sides");
  Require(CompareVersions(a, a) == 0, "a version is like itself");
  ProductName(a, b);
}

void RunUnit(absl::string_view text) {
  const std::string path = ChooseCgroupPath(text);
  Require(!path.empty(), "there is always a path");
  const UnitPlace place = UnitOfCgroup(path);
  Require(!place.in_unit() || place.transient || !place.name.empty(), "a unit has a name");
  UnescapeUnitName(text);
}

constexpr Parser kParsers[] = {
    {[](absl::string_view text) {
       CpuStat stat;
       CheckMessage(ParseStat(text, &stat));
     },
     "cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\nintr 5 1\nctxt 7\nbtime 1700000000\nprocesses 9\n"
     "procs_running 1\nprocs_blocked 0\nsoftirq 3 1\n"},
    {[](absl::string_view text) {
       std::vector<DiskStat> disks;
       CheckMessage(ParseDiskstats(text, &disks));
     },
     "   8       0 sda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n 254 0 vda 1 2 3 4 5 6 7 8 9 10 11\n"},
    {[](absl::string_view text) { CheckMessage(ParseMountinfo(text).status()); },
     "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
     "30 22 0:5 / /a\\040b ro master:1 propagate_from:2 - tmpfs none rw\n"},
    {[](absl::string_view text) { CheckMessage(ParseLoadavg(text).status()); }, "0.10 12.03 1.00 2/345 6789\n"},
    {[](absl::string_view text) {
       CheckMessage(ParseKeyed("f", text, [](absl::string_view, std::uint64_t, absl::string_view) {}));
     },
     "MemTotal:       24645000 kB\nHugePages_Total:       0\npgfault 12\n"},
    {[](absl::string_view text) {
       std::vector<NetDevice> devices;
       CheckMessage(ParseNetDev(text, &devices));
     },
     "Inter-|   Receive  |  Transmit\n face |bytes packets\n  lo: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n"
     "eth0:1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n"},
    {[](absl::string_view text) {
       CheckMessage(ParseNetstat("f", text, [](absl::string_view, absl::string_view, std::uint64_t) {}));
     },
     "Tcp: RtoMin MaxConn ActiveOpens\nTcp: 200 -1 55\nUdp: InDatagrams\nUdp: 4\n"},
    {[](absl::string_view text) { CheckMessage(ParsePressure("f", text).status()); },
     "some avg10=0.00 avg60=0.01 avg300=0.00 total=12345\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=99\n"},
    {[](absl::string_view text) { CheckMessage(ParseCpuSchedstat(text).status()); },
     "version 16\ntimestamp 4295\ncpu0 0 0 0 0 0 0 123 456 789\ndomain0 3 1 2\n"},
    {[](absl::string_view text) { CheckMessage(ParseSoftnet(text).status()); },
     "0000000a 00000001 00000002 0 0 0 0 0 0 0 0 00000000 00000003\n00ff 0 0\n"},
    {[](absl::string_view text) {
       ProcessSample sample;
       CheckMessage(ParseProcessStat(text, &sample));
     },
     "7 () x (\n) S 1 7 7 0 -1 4194560 12 0 3 0 5 6 0 0 20 0 9 0 1234 1000 20 18446744073709551615\n"},
    {[](absl::string_view text) {
       ProcessSample sample;
       CheckMessage(ParseProcessStatus(text, &sample));
     },
     "Name:\tx\nUid:\t0\t0\t0\t0\nRssAnon:\t    12 kB\nRssFile:\t 3 kB\nRssShmem:\t 0 kB\n"},
    {[](absl::string_view text) {
       ProcessSample sample;
       CheckMessage(ParseProcessIo(text, &sample));
     },
     "rchar: 1\nwchar: 2\nread_bytes: 4096\nwrite_bytes: 0\ncancelled_write_bytes: 0\n"},
    {[](absl::string_view text) {
       CheckMessage(ParseSchedstat(text).status());
       CheckMessage(ParseCgroupPath(text).status());
       CheckMessage(ParseNamespaceLink(text).status());
       CheckMessage(ParseOpenFilesLimit(text).status());
       CheckMessage(ParseProportionalMemory(text).status());
     },
     "1 2 3\n0::/system.slice/x.service\nnet:[4026531840]\nMax open files  1024  unlimited  files\nPss:   7 kB\n"},
    {RunUnit,
     "12:cpu,memory:/docker/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n"
     "0::/system.slice/shop\\x2dweb@7.service/sub\n"},
    {[](absl::string_view text) { ParseImage(text); }, "registry.example.org:5000/team/shop:1.2@sha256:0123"},
    {RunVersions, "1:2.0~rc1-1+b2 2.0-1"},
};

}  // namespace

void Run(absl::string_view input) {
  Input in(input);
  const Parser& parser = kParsers[in.Byte() % std::size(kParsers)];
  parser.run(in.Rest());
}

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds;
  for (const Parser& parser : kParsers) {
    seeds.push_back(std::string(1, static_cast<char>(seeds.size())) + parser.sample);
  }
  return seeds;
}

}  // namespace ppmm::fuzz
