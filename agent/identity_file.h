// Who this agent is: the small file `identity` in the data directory, durable before the first Hello.
//
//   ppmm-agent-identity 1
//   agent_id 32 hexadecimal digits
//   host_id 32 hexadecimal digits
//   machine_id the text it was made under, empty if the machine had none
//   crc32c 8 hexadecimal digits, of the lines above
//
// The bytes that are hashed (SHA-256, the first 16 bytes count):
//   host_id            "ppmm-host" 00 machine-id         without a machine id: "ppmm-host" 00 agent_id
//   duplicate_host_id  "ppmm-host" 00 machine-id 00 agent_id
// where machine-id is the text of /etc/machine-id without white space, agent_id are its 16 bytes, and 00 is a zero
// byte.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "agent/spool_file.h"

namespace ppmm {

// Gives that many random bytes.
using RandomSource = std::function<std::string(std::size_t)>;
// From the kernel.
std::string KernelRandomBytes(std::size_t bytes);

struct AgentIdentity {
  std::string agent_id;           // 16 bytes
  std::string host_id;            // 16 bytes
  std::string duplicate_host_id;  // 16 bytes; what the host is called when another one has the same host_id
};

// Thread-compatible.
class IdentityFile {
 public:
  // `machine_id`: the text of /etc/machine-id, empty if there is none. `host_id_override` (--host-id), if not empty,
  // takes the place of the machine id in the hashes of this run. `directory` outlives this.
  IdentityFile(SpoolDirectory* directory, absl::string_view machine_id, absl::string_view host_id_override,
               RandomSource random);

  // Reads the identity or makes one, and leaves it durable. Beside another machine's id (a cloned disk) a new one is
  // made, and the spool set aside first; a machine id that was missing and is now there is completed.
  //
  // Errors: of the disk. The identity is good for this run all the same; the next start may make another.
  absl::Status Establish(absl::Time now);
  // Keeps what could not be written, once the disk takes it. OK when there is nothing to keep. Errors: of the disk.
  absl::Status Keep() { return unsaved_ ? Save() : absl::OkStatus(); }
  // Makes a new agent_id (two live processes share the old one); host_id stays. Errors: as Establish.
  absl::Status RenewAgentId();

  const AgentIdentity& identity() const { return identity_; }
  // True when Establish found the disk of another machine.
  bool cloned() const { return cloned_; }

 private:
  bool Parse(absl::string_view text);
  void MakeNew();
  void ApplyOverride();
  absl::Status Save();

  SpoolDirectory* const directory_;
  const std::string machine_id_;  // of this machine; empty: none
  const std::string host_id_override_;
  const RandomSource random_;
  AgentIdentity identity_;
  std::string kept_host_id_;     // as in the file, without --host-id
  std::string kept_machine_id_;  // as in the file
  bool cloned_ = false;
  bool unsaved_ = false;
};

}  // namespace ppmm
