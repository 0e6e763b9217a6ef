// A certificate authority for one test: P-256 keys, an hour of validity, no files.
#pragma once

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "openssl/bio.h"
#include "openssl/ec.h"
#include "openssl/evp.h"
#include "openssl/pem.h"
#include "openssl/x509.h"
#include "openssl/x509v3.h"

namespace ppmm {

class TestAuthority {
 public:
  struct Pair {
    std::string certificate;  // PEM
    std::string key;          // PEM
  };

  TestAuthority() : key_(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"), EVP_PKEY_free) {
    root_ = Sign("test authority", key_.get(), "critical,CA:TRUE", "");
  }

  std::string root() const { return Pem(root_.get()); }
  // Shape: `alternative_name` as OpenSSL has it, "IP:127.0.0.1".
  Pair Issue(absl::string_view name, const std::string& alternative_name) const {
    const Key key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"), EVP_PKEY_free);
    return {Pem(Sign(std::string(name), key.get(), "CA:FALSE", alternative_name).get()), Pem(key.get())};
  }

 private:
  using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
  using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

  static void Extend(X509* certificate, int what, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str());
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }
  static std::string Text(BIO* bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);  // NOLINT(google-runtime-int): OpenSSL's type
    std::string text(data, static_cast<std::size_t>(size));
    BIO_free(bio);
    return text;
  }
  static std::string Pem(X509* certificate) {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, certificate);
    return Text(bio);
  }
  static std::string Pem(EVP_PKEY* key) {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
    return Text(bio);
  }
  Certificate Sign(const std::string& name, EVP_PKEY* key, const std::string& constraints,
                   const std::string& alternative_name) const {
    static int serial = 0;
    Certificate certificate(X509_new(), X509_free);
    X509_set_version(certificate.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
    const std::unique_ptr<X509_NAME, decltype(&X509_NAME_free)> subject(X509_NAME_new(), X509_NAME_free);
    X509_NAME_add_entry_by_txt(subject.get(), "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name.c_str()),
                               -1, -1, 0);
    X509_set_subject_name(certificate.get(), subject.get());
    X509_set_issuer_name(certificate.get(), root_ == nullptr ? subject.get() : X509_get_subject_name(root_.get()));
    X509_set_pubkey(certificate.get(), key);
    Extend(certificate.get(), NID_basic_constraints, constraints);
    if (!alternative_name.empty()) {
      Extend(certificate.get(), NID_subject_alt_name, alternative_name);
    }
    X509_sign(certificate.get(), key_.get(), EVP_sha256());
    return certificate;
  }

  const Key key_;
  Certificate root_{nullptr, X509_free};
};

}  // namespace ppmm
