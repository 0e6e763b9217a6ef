// Who supplied a package: the distribution, another vendor, or the site itself.
//
// Judged from what apt left on disk (/var/lib/apt/lists: which repository offers this package, who signs as its
// Origin, on what kind of host it lies) and from the package's maintainer. The rules stand in docs/inventory.md.
// Keeps its answers, bounded; thread-compatible. Lists that apt stores compressed are not read: then the maintainer
// decides alone.
// Source: sources.list(5), apt-get(8); deb822 format of Release and Packages:
// https://wiki.debian.org/DebianRepository/Format.
#pragma once

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

#include "agent/identify/host_root.h"
#include "agent/identify/package_database.h"

namespace ppmm {

enum class Supplier { kUnknown, kDistribution, kVendor, kSite };

struct Supply {
  Supplier supplier = Supplier::kUnknown;
  double confidence = 0;       // 0 to 1
  bool by_repository = false;  // a list of a repository says so, not the maintainer alone
  std::string text;            // in words
  std::string name;            // "Debian", as its repository calls itself; empty: not known
};

class PackageSuppliers {
 public:
  // The supplier of an installed package. A search through all lists (50 MiB of a distribution: about 40 ms) for the
  // first question about a package; then from memory until apt's directory changes.
  Supply SupplierOf(const HostRoot& root, const Package& package);

 private:
  struct Repository {
    std::string packages_file;
    std::string host;    // "deb.example.org"; empty: a local directory
    std::string origin;  // the field Origin of its Release file
  };
  void Refresh(const HostRoot& root);
  void ReadDistribution(const HostRoot& root, const std::vector<std::string>& lists);
  bool IsDistribution(absl::string_view origin) const;
  bool MaintainsDistribution(absl::string_view domain) const;
  Supply Judge(const HostRoot& root, const Package& package) const;

  FileKey lists_key_;
  FileKey root_key_;
  bool fresh_ = false;
  std::vector<Repository> repositories_;
  std::vector<std::string> distribution_ids_;      // os-release ID and ID_LIKE
  std::vector<std::string> distribution_domains_;  // of its HOME_URL, SUPPORT_URL and BUG_REPORT_URL
  std::string distribution_name_;                  // Origin of its Release files, else os-release NAME
  bool distribution_offers_ = false;               // a Release file has its Origin, or there is no Release file
  std::vector<std::string> site_domains_;          // of the host's own name, mail name and resolver
  absl::flat_hash_map<std::string, Supply> cache_;
};

// "Jo <jo@mail.example.org>" -> "mail.example.org", lower case.
std::string MailDomain(absl::string_view maintainer);

// Whether a host name can only lie inside an organization: a private address, a name without a dot, or a name below
// a domain that is never public (.internal, .local, .lan ...).
bool IsPrivateHost(absl::string_view host);

}  // namespace ppmm
