#include "agent/hello.h"

#include "common/version.h"

namespace ppmm {

void FillHello(const AgentIdentity& identity, absl::string_view group, absl::string_view root, const BootFacts& boot,
               absl::Duration since_boot, wire::Hello* hello) {
  hello->set_protocol(1);
  hello->set_version(kVersion);
  hello->set_agent_id(identity.agent_id);
  hello->set_host_id(identity.host_id);
  hello->set_duplicate_host_id(identity.duplicate_host_id);
  hello->set_host_name(ReadHostName(root));
  hello->set_group(std::string(group));
  hello->set_boot_id(boot.boot_id);
  hello->set_boottime_us(absl::ToInt64Microseconds(since_boot));
}

}  // namespace ppmm
