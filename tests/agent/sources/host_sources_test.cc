// The sources of one or two files each: literal text in, values out.
#include <sys/stat.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "agent/sources/diskstats.h"
#include "agent/sources/filesystem.h"
#include "agent/sources/limits.h"
#include "agent/sources/memory.h"
#include "agent/sources/netdev.h"
#include "agent/sources/netstat.h"
#include "agent/sources/pressure.h"
#include "agent/sources/schedstat.h"
#include "agent/sources/self.h"
#include "agent/sources/softnet.h"
#include "agent/sources/timex.h"
#include "tests/testing/fake_proc.h"
#include "tests/testing/step_recorder.h"

namespace ppmm {
namespace {

using ::testing::HasSubstr;

// ---- absence
// ---------------------------------------------------------------------------------------------------------

TEST(HostSourcesTest, SayNotFoundWhereTheirFileIsAbsent) {
  FakeProc empty;
  StepRecorder step;
  MeminfoSource meminfo(empty.root());
  VmstatSource vmstat(empty.root());
  DiskstatsSource diskstats(empty.root());
  FilesystemSource filesystem(empty.root());
  NetdevSource netdev(empty.root());
  NetstatSource netstat(empty.root());
  PressureSource pressure(empty.root());
  SchedstatSource schedstat(empty.root());
  SoftnetSource softnet(empty.root());
  LoadavgSource loadavg(empty.root());
  for (Source* source : std::initializer_list<Source*>{&meminfo, &vmstat, &diskstats, &filesystem, &netdev, &netstat,
                                                       &pressure, &schedstat, &softnet, &loadavg}) {
    EXPECT_EQ(step.Step(*source).code(), absl::StatusCode::kNotFound) << source->name();
  }
}

TEST(HostSourcesTest, APipeInPlaceOfAFileHoldsNobodyUp) {
  FakeProc proc;
  std::filesystem::create_directories(proc.root() + "/proc");
  ASSERT_EQ(mkfifo((proc.root() + "/proc/meminfo").c_str(), 0600), 0);
  MeminfoSource source(proc.root());
  StepRecorder step;
  EXPECT_THAT(step.Step(source).message(), HasSubstr("not a regular file"));
}

// ---- memory
// ----------------------------------------------------------------------------------------------------------

TEST(MeminfoSourceTest, ConvertsToBytes) {
  FakeProc proc;
  proc.Write("/proc/meminfo", "MemTotal:       1000 kB\nMemAvailable:    600 kB\nHugePages_Total:       3\n");
  MeminfoSource source(proc.root());
  StepRecorder step;
  ASSERT_TRUE(step.Step(source).ok());
  EXPECT_EQ(step.At("ppmm_host_memory_mem_total_bytes{}"), 1024000);
  EXPECT_EQ(step.At("ppmm_host_memory_mem_available_bytes{}"), 614400);
  EXPECT_FALSE(step.Has("ppmm_host_memory_mem_free_bytes{}")) << "a field the kernel lacks has no series";
}

TEST(MeminfoSourceTest, NamesTheLineThatIsNotANumber) {
  FakeProc proc;
  proc.Write("/proc/meminfo", "MemTotal: 1000 kB\nMemFree: 12x kB\n");
  MeminfoSource source(proc.root());
  StepRecorder step;
  EXPECT_EQ(step.Step(source).message(), "/proc/meminfo line 2: value \"12x\" is not a number");
}

TEST(VmstatSourceTest, CountsFaultsAndSwapping) {
  FakeProc proc;
  proc.Write("/proc/vmstat", "nr_free_pages 5\npgfault 100\npswpin 1\noom_kill 0\n");
  VmstatSource source(proc.root());
  StepRecorder step;
  ASSERT_TRUE(step.Step(source).ok());
  proc.Write("/proc/vmstat", "nr_free_pages 5\npgfault 107\npswpin 4\noom_kill 1\n");
  ASSERT_TRUE(step.Step(source).ok());
  EXPECT_EQ(step.At("ppmm_host_vmstat_pgfault_total{}"), 7);
  EXPECT_EQ(step.At("ppmm_host_vmstat_pswpin_total{}"), 3);
  EXPECT_EQ(step.At("ppmm_host_vmstat_oom_kill_total{}"), 1);
}

// ---- disk
// ------------------------------------------------------------------------------------------------------------

constexpr char kDisks[] =
    "   8       0 sda 10 1 800 30 20 2 1600 40 3 50 60 0 0 0 0 5 7\n"
    "   8       1 sda1 9 1 700 30 20 2 1600 40 0 50 60 0 0 0 0\n"
    "   7       0 loop0 0 0 0 0 0 0 0 0 0 0 0\n";

TEST(DiskstatsSourceTest, CountsWholeDevicesInBytesAndMilliseconds) {
  FakeProc proc;
  proc.Write("/proc/diskstats", kDisks);
  proc.Write("/sys/block/sda/size", "1");
  proc.Write("/sys/block/loop0/size", "1");
  DiskstatsSource source(proc.root());
  StepRecorder step;
  ASSERT_TRUE(step.Step(source).ok());
  EXPECT_EQ(step.At("ppmm_host_disk_io_now{sda}"), 3);
  proc.Write("/proc/diskstats", "   8       0 sda 11 1 808 35 20 2 1600 40 0 57 66 0 0 0 0 6 9\n");
  ASSERT_TRUE(step.Step(source).ok());
  EXPECT_EQ(step.At("ppmm_host_disk_reads_completed_total{sda}"), 1);
  EXPECT_EQ(step.At("ppmm_host_disk_read_bytes_total{sda}"), 8 * 512);
  EXPECT_EQ(step.At("ppmm_host_disk_io_time_seconds_total{sda}"), 7);
  EXPECT_EQ(step.At("ppmm_host_disk_io_time_weighted_seconds_total{sda}"), 6);
  EXPECT_EQ(step.At("ppmm_host_disk_flush_requests_time_seconds_total{sda}"), 2);
  EXPECT_FALSE(step.Has("ppmm_host_disk_io_now{sda1}")) << "a partition";
  EXPECT_FALSE(step.Has("ppmm_host_disk_io_now{loop0}")) << "never used";
}

TEST(ParseDiskstatsTest, NamesTheLine) {
  std::vector<DiskStat> disks;
  EXPECT_THAT(ParseDiskstats("8 0 sda 1 x\n", &disks).message(), HasSubstr("line 1: \"x\" is not a number"));
  EXPECT_THAT(ParseDiskstats("8 0\n", &disks).message(), HasSubstr("ends before the device name"));
}

// ---- file systems
// ----------------------------------------------------------------------------------------------------

TEST(ParseMountinfoTest, UndoesEscapesAndReadsOptions) {
  const auto mounts = ParseMountinfo(
      "29 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
      "30 29 8:2 / /mnt/my\\040disk rw,relatime - ext4 /dev/sdb1 ro,errors=remount-ro\n"
      "31 29 0:5 / /srv rw - nfs4 server:/export rw\n");
  ASSERT_TRUE(mounts.ok()) << mounts.status();
  ASSERT_EQ(mounts->size(), 3u);
  EXPECT_EQ((*mounts)[1].mountpoint, "/mnt/my disk");
  EXPECT_TRUE((*mounts)[1].read_only);
  EXPECT_FALSE((*mounts)[0].read_only);
  EXPECT_TRUE(HoldsLocalData((*mounts)[0]));
  EXPECT_FALSE(HoldsLocalData((*mounts)[2])) << "a server that hangs must not hang the agent";
}

TEST(ParseMountinfoTest, AMountThatIsReadOnlyDoesNotMakeTheFileSystemSo) {
  const auto mounts = ParseMountinfo(
      "29 1 8:1 / / ro,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro\n"
      "30 29 8:2 / /snap ro - squashfs /dev/loop0 ro\n");
  ASSERT_TRUE(mounts.ok()) << mounts.status();
  EXPECT_FALSE((*mounts)[0].read_only) << "as a unit with ProtectSystem=strict sees what the host writes to";
  EXPECT_TRUE((*mounts)[1].read_only);
}

TEST(ParseMountinfoTest, NamesTheLine) {
  EXPECT_THAT(ParseMountinfo("29 1 8:1 / / rw\n").status().message(), HasSubstr("mountinfo line 1"));
}

TEST(FilesystemSourceTest, AHostIsWritableThoughTheAgentSeesItReadOnly) {
  FakeProc proc;
  proc.Write("/proc/1/mountinfo",
             "29 1 8:1 / / ro,relatime - ext4 /dev/sda1 rw\n"
             "30 29 8:2 / /proc rw - ext4 /dev/sdb1 ro\n");
  FilesystemSource source(proc.root());
  StepRecorder step;
  ASSERT_TRUE(step.Step(source).ok());
  EXPECT_EQ(step.At("ppmm_host_filesystem_readonly{/dev/sda1,ext4,/}"), 0);
  EXPECT_EQ(step.At("ppmm_host_filesystem_readonly{/dev/sdb1,ext4,/proc}"), 1);
}

TEST(FilesystemSourceTest, ReadsEachDeviceOnce) {
  FakeProc proc;
  proc.Write("/proc/1/mountinfo",
             "29 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
             "30 29 8:1 /x /bind rw - ext4 /dev/sda1 rw\n"
             "31 29 0:4 / /proc rw - proc proc rw\n");
  FilesystemSource source(proc.root());
  StepRecorder step;
  ASSERT_TRUE(step.Step(source).ok());
  EXPECT_GT(step.At("ppmm_host_filesystem_size_bytes{/dev/sda1,ext4,/}"), 0);
  EXPECT_EQ(step.values().size(), 6u);
}

// ---- network
// ---------------------------------------------------------------------------------------------------------

constexpr char kNetHead[] =
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls\n";

TEST(NetdevSourceTest, CountsEachInterface) {
  FakeProc proc;
  proc.Write("/proc/1/net/dev", std::string(kNetHead) + "  eth0: 100 2 0 0 0 0 0 0 50 1 0 0 0 0 0 0\n");
  proc.Write("/sys/class/net/eth0/operstate", "up\n");
  proc.Write("/sys/class/net/eth0/speed", "1000\n");
  NetdevSource source(proc.root());
  StepRecorder step;
  ASSERT_TRUE(step.Step(source).ok());
  proc.Write("/proc/1/net/dev", std::string(kNetHead) + "  eth0: 300 5 1 2 0 0 0 0 75 2 3 4 0 0 0 0\n");
  ASSERT_TRUE(step.Step(source).ok());
  EXPECT_EQ(step.At("ppmm_host_network_receive_bytes_total{eth0}"), 200);
  EXPECT_EQ(step.At("ppmm_host_network_receive_drop_total{eth0}"), 2);
  EXPECT_EQ(step.At("ppmm_host_network_transmit_bytes_total{eth0}"), 25);
  EXPECT_EQ(step.At("ppmm_host_network_transmit_errs_total{eth0}"), 3);
  EXPECT_EQ(step.At("ppmm_host_network_speed_bytes{eth0}"), 125000000);
  EXPECT_EQ(step.At("ppmm_host_network_up{eth0}"), 1);
}

TEST(NetdevSourceTest, AnInterfaceThatVanishesTakesItsSeriesAlong) {
  FakeProc proc;
  proc.Write("/proc/1/net/dev", std::string(kNetHead) + "  veth1: 1 2 0 0 0 0 0 0 5 1 0 0 0 0 0 0\n");
  NetdevSource source(proc.root());
  StepRecorder step;
  ASSERT_TRUE(step.Step(source).ok());
  EXPECT_EQ(step.recorder().series_count(), 8u);
  proc.Write("/proc/1/net/dev", kNetHead);
  ASSERT_TRUE(step.Step(source).ok());
  EXPECT_EQ(step.recorder().series_count(), 0u);
}

TEST(ParseNetDevTest, NamesTheLine) {
  std::vector<NetDevice> devices;
  EXPECT_THAT(ParseNetDev("eth0: 1 2 3\n", &devices).message(), HasSubstr("line 1: fewer than 12 numbers"));
}

TEST(NetstatSourceTest, PairsNamesWithValues) {
  FakeProc proc;
  proc.Write("/proc/1/net/snmp", "Tcp: MaxConn PassiveOpens CurrEstab\nTcp: -1 10 4\nUdp: InErrors\nUdp: 0\n");
  proc.Write("/proc/1/net/netstat", "TcpExt: ListenOverflows\nTcpExt: 2\n");
  NetstatSource source(proc.root());
  StepRecorder step;
  ASSERT_TRUE(step.Step(source).ok());
  EXPECT_EQ(step.At("ppmm_host_netstat_tcp_curr_estab{}"), 4);
  proc.Write("/proc/1/net/snmp", "Tcp: MaxConn PassiveOpens CurrEstab\nTcp: -1 13 5\nUdp: InErrors\nUdp: 0\n");
  proc.Write("/proc/1/net/netstat", "TcpExt: ListenOverflows\nTcpExt: 9\n");
  ASSERT_TRUE(step.Step(source).ok());
  EXPECT_EQ(step.At("ppmm_host_netstat_tcp_passive_opens_total{}"), 3);
  EXPECT_EQ(step.At("ppmm_host_netstat_tcpext_listen_overflows_total{}"), 7);
}

TEST(ParseNetstatTest, NamesTheLineWithoutPartner) {
  const auto ignore = [](absl::string_view, absl::string_view, std::uint64_t) {};
  EXPECT_THAT(ParseNetstat("f", "Tcp: A\n", ignore).message(), HasSubstr("f line 1: has no line of values"));
  EXPECT_THAT(ParseNetstat("f", "Tcp: A\nUdp: 1\n", ignore).message(), HasSubstr("line 2: does not belong to"));
  EXPECT_THAT(ParseNetstat("f", "Tcp: A B\nTcp: 1\n", ignore).message(), HasSubstr("ends before the value of B"));
  EXPECT_THAT(ParseNetstat("f", "Tcp: A\nTcp: x\n", ignore).message(), HasSubstr("\"x\" is not a number"));
}

// ---- pressure, run delay, softirq
// ------------------------------------------------------------------------------------

TEST(PressureSourceTest, CountsMicrosecondsOfWaiting) {
  FakeProc proc;
  const std::string some = "some avg10=0.00 avg60=0.00 avg300=0.00 total=";
  const std::string full = "full avg10=0.00 avg60=0.00 avg300=0.00 total=";
  proc.Write("/proc/pressure/cpu", some + "100\n");
  proc.Write("/proc/pressure/memory", some + "5\n" + full + "2\n");
  proc.Write("/proc/pressure/io", some + "7\n" + full + "3\n");
  PressureSource source(proc.root());
  StepRecorder step;
  ASSERT_TRUE(step.Step(source).ok());
  proc.Write("/proc/pressure/cpu", some + "150\n");
  proc.Write("/proc/pressure/io", some + "17\n" + full + "4\n");
  ASSERT_TRUE(step.Step(source).ok());
  EXPECT_EQ(step.At("ppmm_host_pressure_cpu_waiting_seconds_total{}"), 50);
  EXPECT_EQ(step.At("ppmm_host_pressure_memory_stalled_seconds_total{}"), 0);
  EXPECT_EQ(step.At("ppmm_host_pressure_io_waiting_seconds_total{}"), 10);
  EXPECT_EQ(step.At("ppmm_host_pressure_io_stalled_seconds_total{}"), 1);
}

TEST(PressureSourceTest, SaysWhetherTheKernelOrItsCommandLineLacksIt) {
  FakeProc proc;
  PressureSource source(proc.root());
  StepRecorder step;
  EXPECT_THAT(step.Step(source).message(),
              HasSubstr("/proc/pressure/cpu: pressure stall information is off; boot with psi=1"));
  proc.Write("/proc/cmdline", "root=/dev/sda1 psi=1 quiet\n");
  EXPECT_THAT(step.Step(source).message(), HasSubstr("this kernel has no pressure stall information (CONFIG_PSI)"));
}

TEST(ParsePressureTest, NamesWhatIsMissing) {
  EXPECT_THAT(ParsePressure("/proc/pressure/io", "full total=1\n").status().message(), HasSubstr("no line \"some\""));
  EXPECT_THAT(ParsePressure("/proc/pressure/io", "some avg10=0\n").status().message(), HasSubstr("has no total="));
}

TEST(SchedstatSourceTest, CountsRunDelayPerCpu) {
  FakeProc proc;
  proc.Write("/proc/schedstat", "version 15\ntimestamp 1\ncpu0 0 0 0 0 0 0 9 4000 7\ndomain0 3 0 0\n");
  SchedstatSource source(proc.root());
  StepRecorder step;
  ASSERT_TRUE(step.Step(source).ok());
  proc.Write("/proc/schedstat", "version 15\ntimestamp 1\ncpu0 0 0 0 0 0 0 9 9000 7\ndomain0 3 0 0\n");
  ASSERT_TRUE(step.Step(source).ok());
  EXPECT_EQ(step.At("ppmm_host_schedstat_waiting_seconds_total{0}"), 5);
  EXPECT_THAT(ParseCpuSchedstat("cpu0 1 2\n").status().message(), HasSubstr("fewer than 9 numbers after cpu0"));
}

TEST(ParseSoftnetTest, TakesTheCpuFromTheColumnThatNamesIt) {
  const auto stats = ParseSoftnet("0000000a 00000001 00000002 0 0 0 0 0 0 0 0 0 00000003 0 0\n0000000b 0 0\n");
  ASSERT_TRUE(stats.ok());
  EXPECT_EQ((*stats)[0].cpu, 3u);
  EXPECT_EQ((*stats)[0].processed, 10u);
  EXPECT_EQ((*stats)[0].squeezed, 2u);
  EXPECT_EQ((*stats)[1].cpu, 1u) << "an old kernel: the number of the line";
  EXPECT_THAT(ParseSoftnet("0000000a 0\n").status().message(), HasSubstr("fewer than 3 columns"));
  EXPECT_THAT(ParseSoftnet("zz 0 0\n").status().message(), HasSubstr("\"zz\" is not hexadecimal"));
}

// ---- limits, clock, self
// ---------------------------------------------------------------------------------------------

TEST(LoadavgSourceTest, ReadsHundredths) {
  FakeProc proc;
  proc.Write("/proc/loadavg", "0.20 1.18 12.05 1/80 11206\n");
  LoadavgSource source(proc.root());
  StepRecorder step;
  ASSERT_TRUE(step.Step(source).ok());
  EXPECT_EQ(step.At("ppmm_host_load1{}"), 20);
  EXPECT_EQ(step.At("ppmm_host_load15{}"), 1205);
  EXPECT_EQ(step.At("ppmm_host_threads{}"), 80);
  EXPECT_THAT(ParseLoadavg("0.2 1 1 1/8 1").status().message(), HasSubstr("\"0.2\" is not a load average"));
  EXPECT_THAT(ParseLoadavg("0.20 1.00 1.00 18 1").status().message(), HasSubstr("is not RUNNING/TASKS"));
}

TEST(LimitsSourceTest, TakesWhatIsThere) {
  FakeProc proc;
  proc.Write("/proc/sys/fs/file-nr", "1024\t0\t9223372036854775807\n");
  proc.Write("/proc/sys/kernel/threads-max", "100\n");
  LimitsSource source(proc.root());
  StepRecorder step;
  ASSERT_TRUE(step.Step(source).ok());
  EXPECT_EQ(step.At("ppmm_host_filefd_allocated{}"), 1024);
  EXPECT_EQ(step.At("ppmm_host_filefd_maximum{}"), 9223372036854775807);
  EXPECT_FALSE(step.Has("ppmm_host_nf_conntrack_entries{}"));
  proc.Write("/proc/sys/kernel/pid_max", "many\n");
  EXPECT_EQ(step.Step(source).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(step.At("ppmm_host_threads_maximum{}"), 100) << "one bad file does not hide the others";
}

TEST(TimexSourceTest, ReadsTheKernelsClockState) {
  TimexSource source;
  StepRecorder step;
  ASSERT_TRUE(step.Step(source).ok());
  EXPECT_THAT(step.At("ppmm_host_timex_sync_status{}"), testing::AnyOf(0, 1));
}

TEST(SelfSourceTest, CountsItsOwnCpuAndMemory) {
  SelfSource source;
  StepRecorder step;
  ASSERT_TRUE(step.Step(source).ok());
  ASSERT_TRUE(step.Step(source).ok());
  EXPECT_GE(step.At("ppmm_host_agent_cpu_seconds_total{}"), 0);
  EXPECT_GT(step.At("ppmm_host_agent_resident_memory_bytes{}"), 1 << 20);
}

}  // namespace
}  // namespace ppmm
