#include "agent/identity_file.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "openssl/evp.h"

#include "agent/spool.h"
#include "common/crc32c.h"
#include "common/log.h"
#include "common/status.h"

namespace ppmm {
namespace {

constexpr absl::string_view kIdentityFile = "identity";
constexpr absl::string_view kFirstLine = "ppmm-agent-identity 1";
constexpr std::size_t kMaxIdentityBytes = 4096;
constexpr std::size_t kIdBytes = 16;

// The first 16 bytes of the SHA-256 of the parts with zero bytes between.
std::string HashId(absl::string_view machine_id, absl::string_view agent_id = {}) {
  std::string bytes = absl::StrCat("ppmm-host", absl::string_view("\0", 1), machine_id);
  if (!agent_id.empty()) {
    absl::StrAppend(&bytes, absl::string_view("\0", 1), agent_id);
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1) {
    std::abort();  // OpenSSL without SHA-256: no identity can be made
  }
  return {digest.begin(), digest.begin() + kIdBytes};
}

std::string RealMachineId(absl::string_view text) {
  const std::string id = absl::AsciiStrToLower(absl::StripAsciiWhitespace(text));
  return id == "uninitialized" ? "" : id;
}

// The value of `line` if it is "key value"; the value may be empty.
bool Take(absl::string_view line, absl::string_view key, absl::string_view* value) {
  if (!absl::ConsumePrefix(&line, key)) {
    return false;
  }
  *value = absl::StripAsciiWhitespace(line);
  return true;
}

bool TakeId(absl::string_view line, absl::string_view key, std::string* id) {
  absl::string_view digits;
  if (!Take(line, key, &digits) || digits.size() != 2 * kIdBytes ||
      !std::all_of(digits.begin(), digits.end(), absl::ascii_isxdigit)) {
    return false;
  }
  *id = absl::HexStringToBytes(digits);
  return true;
}

}  // namespace

std::string KernelRandomBytes(std::size_t bytes) {
  std::string random(bytes, '\0');
  std::size_t got = 0;
  while (got < bytes) {
    const ssize_t n = getrandom(random.data() + got, bytes - got, 0);
    if (n < 0 && errno != EINTR) {
      std::abort();  // a kernel without getrandom(2); predictable ids would let agents be mixed up
    }
    got += n < 0 ? 0 : static_cast<std::size_t>(n);
  }
  return random;
}

IdentityFile::IdentityFile(SpoolDirectory* directory, absl::string_view machine_id, absl::string_view host_id_override,
                           RandomSource random)
    : directory_(directory),
      machine_id_(RealMachineId(machine_id)),
      host_id_override_(host_id_override),
      random_(std::move(random)) {}

absl::Status IdentityFile::Establish(absl::Time now) {
  const absl::StatusOr<std::string> text = ReadWholeFile(directory_, kIdentityFile, kMaxIdentityBytes);
  const bool found = text.ok() && Parse(*text);
  if (!found) {
    if (!absl::IsNotFound(text.status())) {
      LogWarning(kIdentityFile,
                 "the file cannot be used, a new identity is made: ", text.ok() ? "damaged" : text.status().message());
    }
    MakeNew();
    ApplyOverride();
    return Save();
  }
  if (kept_machine_id_ == machine_id_ || machine_id_.empty()) {
    ApplyOverride();
    return absl::OkStatus();
  }
  if (kept_machine_id_.empty()) {
    LogInfo(kIdentityFile, "the machine has an id now; the host keeps the one it had");
    kept_machine_id_ = machine_id_;
    ApplyOverride();
    return Save();
  }
  LogWarning(kIdentityFile, "made on another machine (a cloned disk): a new identity is made, the spool is set aside");
  cloned_ = true;
  MakeNew();
  ApplyOverride();
  // First, so that a crash between the two finds the clone again.
  RETURN_IF_ERROR(SetSpoolAside(directory_, now));
  return Save();
}

absl::Status IdentityFile::RenewAgentId() {
  identity_.agent_id = random_(kIdBytes);
  ApplyOverride();
  return Save();
}

void IdentityFile::MakeNew() {
  identity_.agent_id = random_(kIdBytes);
  kept_machine_id_ = machine_id_;
  kept_host_id_ = HashId(machine_id_.empty() ? absl::string_view(identity_.agent_id) : machine_id_);
}

void IdentityFile::ApplyOverride() {
  const bool overridden = !host_id_override_.empty();
  identity_.host_id = overridden ? HashId(host_id_override_) : kept_host_id_;
  identity_.duplicate_host_id = HashId(overridden ? host_id_override_ : machine_id_, identity_.agent_id);
}

bool IdentityFile::Parse(absl::string_view text) {
  const std::size_t last = text.rfind("crc32c ");
  std::uint32_t crc = 0;
  if (last == absl::string_view::npos ||
      !absl::SimpleHexAtoi(absl::StripAsciiWhitespace(text.substr(last + 7)), &crc) ||
      crc != Crc32c(text.substr(0, last))) {
    return false;
  }
  const std::vector<absl::string_view> lines = absl::StrSplit(text.substr(0, last), '\n', absl::SkipEmpty());
  absl::string_view machine_id;
  if (lines.size() != 4 || lines[0] != kFirstLine || !TakeId(lines[1], "agent_id ", &identity_.agent_id) ||
      !TakeId(lines[2], "host_id ", &kept_host_id_) || !Take(lines[3], "machine_id", &machine_id)) {
    return false;
  }
  kept_machine_id_ = std::string(machine_id);
  return true;
}

absl::Status IdentityFile::Save() {
  std::string text = absl::StrCat(kFirstLine, "\nagent_id ", absl::BytesToHexString(identity_.agent_id), "\nhost_id ",
                                  absl::BytesToHexString(kept_host_id_), "\nmachine_id ", kept_machine_id_, "\n");
  absl::StrAppend(&text, "crc32c ", absl::Hex(Crc32c(text), absl::kZeroPad8), "\n");
  const absl::Status status = WriteFileAtomically(directory_, kIdentityFile, text);
  unsaved_ = !status.ok();
  return status;
}

}  // namespace ppmm
