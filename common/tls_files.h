// The PEM files of mutual TLS, looked at before gRPC gets them: it takes any text for a certificate and then fails each
// handshake. No state.
#pragma once

#include <string>

#include "common/config_checks.h"
#include "common/config_loader.h"

namespace ppmm {

struct TlsTexts {
  std::string certificate;
  std::string key;
  std::string ca;
};

// Reads the files that `fields` names.
//
// Shape:  at most 1 MiB each. A field that is empty is left out.
// Errors: each is added to `report` at the field that names the file, with the cure: one that cannot be read, holds no
//         PEM certificate or key, has a key with a passphrase, or a key of another certificate.
TlsTexts ReadTlsFiles(const TlsFields& fields, ConfigReport* report);

// As ReadTlsFiles, for a configuration that was not validated: what is no absolute path has been told already.
void CheckTlsFiles(TlsFields fields, ConfigReport* report);

}  // namespace ppmm
