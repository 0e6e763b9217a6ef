#include "common/tls_files.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "common/log.h"

namespace ppmm {
namespace {

constexpr absl::string_view kMakeThem = "(docs/operations.md, \"Mutual TLS\", makes them)";

using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;

// Without it OpenSSL would ask the terminal.
int NoPassphrase(char*, int, int, void*) {
  return -1;
}

Bio Open(const std::string& text) {
  return {BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free};
}

Certificate FirstCertificate(const std::string& text) {
  return {PEM_read_bio_X509(Open(text).get(), nullptr, NoPassphrase, nullptr), X509_free};
}

Key FirstKey(const std::string& text) {
  return {PEM_read_bio_PrivateKey(Open(text).get(), nullptr, NoPassphrase, nullptr), EVP_PKEY_free};
}

// One field and its file.
class File {
 public:
  File(const TlsFields& fields, absl::string_view name, absl::string_view path, ConfigReport* report)
      : field_(absl::StrCat(fields.path, ".", name)), path_(path), report_(report) {
    if (path_.empty()) {
      return;
    }
    absl::StatusOr<std::string> contents = ReadConfigFile(path_);
    read_ = contents.ok();
    if (read_) {
      text = *std::move(contents);
      return;
    }
    Add(absl::StrCat(
        absl::StripPrefix(contents.status().message(), absl::StrCat(path_, ": ")),
        absl::IsNotFound(contents.status()) ? absl::StrCat("; correct the path, or make the file ", kMakeThem) : ""));
  }

  bool read() const { return read_; }
  const std::string& path() const { return path_; }
  void Add(absl::string_view message) {
    report_->AddError(field_, absl::StrCat(EscapeForDisplay(path_, 256), ": ", message));
  }

  std::string text;

 private:
  const std::string field_;
  const std::string path_;
  ConfigReport* const report_;
  bool read_ = false;
};

void LookForCertificate(File& file) {
  if (file.read() && FirstCertificate(file.text) == nullptr) {
    file.Add(absl::StrCat("holds no PEM certificate (-----BEGIN CERTIFICATE-----); name one that does ", kMakeThem));
  }
}

void LookForKey(File& file) {
  if (!file.read() || FirstKey(file.text) != nullptr) {
    return;
  }
  if (absl::StrContains(file.text, "ENCRYPTED")) {
    file.Add("wants a passphrase, and nobody is there to type it; write it without: openssl pkey -in FILE -out NEW");
  } else {
    file.Add(absl::StrCat("holds no PEM private key (-----BEGIN PRIVATE KEY-----); name one that does ", kMakeThem));
  }
}

}  // namespace

TlsTexts ReadTlsFiles(const TlsFields& fields, ConfigReport* report) {
  File certificate(fields, "certificate", fields.certificate, report);
  File key(fields, "key", fields.key, report);
  File ca(fields, fields.ca_name, fields.ca, report);
  LookForCertificate(certificate);
  LookForKey(key);
  LookForCertificate(ca);
  const Certificate own = FirstCertificate(certificate.text);
  const Key own_key = FirstKey(key.text);
  if (own != nullptr && own_key != nullptr && X509_check_private_key(own.get(), own_key.get()) != 1) {
    key.Add(absl::StrCat("is not the key of the certificate in ", EscapeForDisplay(certificate.path(), 256),
                         "; name the two that were made together"));
  }
  ERR_clear_error();  // what was no PEM must not look like an error of a later handshake on this thread
  return {std::move(certificate.text), std::move(key.text), std::move(ca.text)};
}

void CheckTlsFiles(TlsFields fields, ConfigReport* report) {
  for (absl::string_view* const path : {&fields.certificate, &fields.key, &fields.ca}) {
    if (!absl::StartsWith(*path, "/")) {
      *path = "";
    }
  }
  ReadTlsFiles(fields, report);
}

}  // namespace ppmm
