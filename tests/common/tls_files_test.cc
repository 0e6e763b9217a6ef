#include "common/tls_files.h"

#include <openssl/err.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "tests/testing/certificates.h"
#include "tests/testing/temp_folder.h"

namespace ppmm {
namespace {

class TlsFilesTest : public testing::Test {
 protected:
  // What is said of these files, in which the folder is left out.
  std::string Errors(const std::string& certificate, const std::string& key, const std::string& ca) {
    ConfigReport report("a.yaml");
    report.SetPlace("grpc.tls.certificate", {"a.yaml", 3, 18});
    report.SetPlace("grpc.tls.key", {"a.yaml", 4, 10});
    report.SetPlace("grpc.tls.client_ca", {"a.yaml", 5, 16});
    texts_ = ReadTlsFiles({.path = "grpc.tls",
                           .address_path = "grpc.listen",
                           .address = "0.0.0.0:7767",
                           .ca_name = "client_ca",
                           .certificate = certificate,
                           .key = key,
                           .ca = ca},
                          &report);
    std::string said(report.status().message());
    for (std::size_t at = said.find(folder_.path()); at != std::string::npos; at = said.find(folder_.path())) {
      said.erase(at, folder_.path().size());
    }
    EXPECT_EQ(ERR_peek_error(), 0U) << "no error is left for the next handshake of this thread";
    return said;
  }

  const TempFolder folder_;
  const TestAuthority authority_;
  const TestAuthority::Pair pair_ = authority_.Issue("web1", "DNS:web1");
  const std::string certificate_ = folder_.Write("web1.pem", pair_.certificate);
  const std::string key_ = folder_.Write("web1.key", pair_.key);
  const std::string ca_ = folder_.Write("ca.pem", authority_.root());
  TlsTexts texts_;
};

TEST_F(TlsFilesTest, GivesTheTextsOfGoodFiles) {
  EXPECT_EQ(Errors(certificate_, key_, ca_), "");
  EXPECT_EQ(texts_.certificate, pair_.certificate);
  EXPECT_EQ(texts_.key, pair_.key);
  EXPECT_EQ(texts_.ca, authority_.root());
  EXPECT_EQ(Errors("", "", ""), "") << "no files, nothing to say";
}

TEST_F(TlsFilesTest, NamesPlaceKeyFileReasonAndCureOfEachFileThatIsNotThere) {
  EXPECT_EQ(Errors(folder_.path() + "/none.pem", key_, folder_.path()),
            "a.yaml:3:18: grpc.tls.certificate: /none.pem: No such file or directory; correct the path, or make the "
            "file (docs/operations.md, \"Mutual TLS\", makes them)\n"
            "a.yaml:5:16: grpc.tls.client_ca: : is a folder, not a file");
}

TEST_F(TlsFilesTest, SaysWhoMayNotReadAFile) {
  const uid_t who = geteuid() == 0 ? 65534 : geteuid();
  ASSERT_EQ(chmod(key_.c_str(), 0), 0);
  ASSERT_EQ(seteuid(who), 0);  // nobody: root reads everything; and the folder is root's alone
  const std::string said = Errors("", key_, "");
  ASSERT_EQ(seteuid(getuid()), 0);
  EXPECT_EQ(said, absl::StrCat("a.yaml:4:10: grpc.tls.key: /web1.key: Permission denied; let user id ", who,
                               ", who runs this, read it (chown, chmod)"));
}

TEST_F(TlsFilesTest, TellsWhatHoldsNoCertificateAndNoKey) {
  const std::string text = folder_.Write("text", "no PEM\n");
  EXPECT_EQ(Errors(key_, certificate_, text),
            "a.yaml:3:18: grpc.tls.certificate: /web1.key: holds no PEM certificate (-----BEGIN CERTIFICATE-----); "
            "name one that does (docs/operations.md, \"Mutual TLS\", makes them)\n"
            "a.yaml:4:10: grpc.tls.key: /web1.pem: holds no PEM private key (-----BEGIN PRIVATE KEY-----); name one "
            "that does (docs/operations.md, \"Mutual TLS\", makes them)\n"
            "a.yaml:5:16: grpc.tls.client_ca: /text: holds no PEM certificate (-----BEGIN CERTIFICATE-----); name one "
            "that does (docs/operations.md, \"Mutual TLS\", makes them)");
  EXPECT_NE(Errors(folder_.Write("empty", ""), key_, ca_), "");
}

TEST_F(TlsFilesTest, TellsAKeyOfAnotherCertificate) {
  const std::string other = folder_.Write("other.key", authority_.Issue("web2", "DNS:web2").key);
  EXPECT_EQ(Errors(certificate_, other, ca_),
            "a.yaml:4:10: grpc.tls.key: /other.key: is not the key of the certificate in /web1.pem; name the two that "
            "were made together");
}

TEST_F(TlsFilesTest, AKeyWithAPassphraseIsToldAndNobodyIsAsked) {
  EVP_PKEY* const key = EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256");
  BIO* const bio = BIO_new(BIO_s_mem());
  const unsigned char passphrase[] = "secret";
  PEM_write_bio_PrivateKey(bio, key, EVP_aes_128_cbc(), passphrase, sizeof passphrase - 1, nullptr, nullptr);
  char* data = nullptr;
  const auto size = static_cast<std::size_t>(BIO_get_mem_data(bio, &data));
  const std::string locked = folder_.Write("locked.key", absl::string_view(data, size));
  BIO_free(bio);
  EVP_PKEY_free(key);
  EXPECT_EQ(Errors(certificate_, locked, ca_),
            "a.yaml:4:10: grpc.tls.key: /locked.key: wants a passphrase, and nobody is there to type it; write it "
            "without: openssl pkey -in FILE -out NEW");
}

}  // namespace
}  // namespace ppmm
