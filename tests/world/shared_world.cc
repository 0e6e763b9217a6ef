#include "tests/world/shared_world.h"

#include <ctime>
#include <iostream>

#include "absl/strings/str_cat.h"

namespace ppmm {
namespace {

double CpuSeconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

}  // namespace

// One line says what befalls a host and which outcome it is there for. Whoever wants another scope adds a host or an
// application here; about 0.15 s of CPU for each day of a host.
OrganizationScript SharedWorld() {
  OrganizationScript world;
  // Nothing ever happens: satisfied in every row. From the second day on it talks to a database host without agent.
  world.push_back(
      {.name = "steady",
       .address = "10.0.0.1",
       .talks_to = {"10.0.0.77"},
       .applications = {{.name = "shop"},
                        {.name = "postgresql", .serves_neighbour = true, .origin = wire::ORIGIN_OFF_THE_SHELF}}});
  // Its agent is down three minutes of each hour: 95 % covered.
  world.push_back({.name = "patchy",
                   .address = "10.0.0.2",
                   .silent = Hourly(kWorldDays + 1, 57, 60),
                   .applications = {{.name = "mailer"}}});
  // Joins on day 27 at six in the morning: undecided until it was seen for seven days.
  world.push_back(
      {.name = "late", .address = "10.0.0.3", .lives = {.from = At(27, 6)}, .applications = {{.name = "newborn"}}});
  // Its disk source fails for three days. Its application is used, but its sockets are not seen.
  world.push_back({.name = "halfblind",
                   .address = "10.0.0.4",
                   .losses = {{"ppmm_host_disk_io_time_seconds_total", {At(20), At(23)}}},
                   .applications = {{.name = "mute", .sockets_seen = false}}});
  // The counter of its disk never moves. Neither do the connections of its application.
  world.push_back({.name = "stuck",
                   .address = "10.0.0.5",
                   .still = {"ppmm_host_disk_io_time_seconds_total"},
                   .applications = {{.name = "idle", .still = true}}});
  // A kernel without pressure of memory: no saturation series of that kind. Nor does it tell how much memory it has, so
  // of that nothing can be forecast. Its clock is three seconds ahead.
  world.push_back({.name = "blunt",
                   .address = "10.0.0.6",
                   .clock = absl::Seconds(3),
                   .absent = {"ppmm_host_pressure_memory_waiting_seconds_total", "ppmm_host_memory_mem_total_bytes"}});
  // Reboots each night, proven by the next boot: off for 20 minutes, then booting for 10. Once it is off for
  // a whole day and a bit, and once it sleeps for an hour.
  HostScript rebooter{.name = "rebooter", .address = "10.0.0.7"};
  for (const Span& night : Daily(0, kWorldDays, At(0, 3), At(0, 3, 20))) {
    rebooter.off.push_back({night});
  }
  rebooter.off.push_back({{At(10, 23, 30), At(12, 0, 30)}});
  rebooter.suspended = {{At(15, 12), At(15, 13)}};
  world.push_back(rebooter);
  // Reboots within a minute, and the boot says that it had been off for two hours, of which samples were committed.
  world.push_back(
      {.name = "liar", .address = "10.0.0.8", .off = {{.span = {At(8, 12), At(8, 12, 1)}, .last_life = At(8, 10)}}});
  // Somebody clones its disk, machine id and all, and both run ever after.
  world.push_back({.name = "twin", .address = "10.0.0.9"});
  world.push_back({.name = "copy", .address = "10.0.0.10", .lives = {.from = At(5, 10)}, .clones = "twin"});
  // Without network for twelve hours: all of it comes late.
  world.push_back({.name = "courier", .address = "10.0.0.11", .cut = {{At(12, 6), At(12, 18)}}});
  // Without network for 84 hours: the first twelve come too late.
  world.push_back({.name = "stranded", .address = "10.0.0.12", .cut = {{At(14), At(17, 12)}}});
  // Their disks fill by 1 GB a day. One is made larger three days after the warning; nobody cares for the other.
  world.push_back(
      {.name = "tended", .address = "10.0.0.13", .disk_bytes_a_day = 1'000'000'000, .disk_doubles = At(22, 9)});
  world.push_back({.name = "neglected", .address = "10.0.0.14", .disk_bytes_a_day = 1'000'000'000});
  // Somebody clones its disk too, but runs the copy for an hour: a day later the identity is one machine's again.
  world.push_back({.name = "lent", .address = "10.0.0.15"});
  world.push_back({.name = "loan", .address = "10.0.0.16", .lives = {At(5, 10), At(5, 11)}, .clones = "lent"});
  return world;
}

std::string WorldPath(const std::string& name) {
  return absl::StrCat(PPMM_WORLD_DIR, "/", name, ".db");
}

OrganizationRun& World() {
  // Never destroyed: it is there for every test.
  static OrganizationRun* const world = [] {
    const double begin = CpuSeconds();
    auto* const made = new OrganizationRun(SharedWorld(), WorldPath("shared_world"));
    made->LiveUntil(At(kWorldDays, 0, 10));
    std::cout << "world: " << made->agents().size() << " hosts, " << kWorldDays << " days, " << CpuSeconds() - begin
              << " s of CPU\n";
    return made;
  }();
  return *world;
}

}  // namespace ppmm
