#include "agent/identify/package_supplier.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace ppmm {
namespace {

constexpr absl::string_view kLists = "/var/lib/apt/lists";
constexpr size_t kMaxRepositories = 64;
constexpr size_t kMaxSuppliers = 1'024;
constexpr size_t kSmallFile = size_t{64} * 1024;

std::string Lower(absl::string_view text) {
  return absl::AsciiStrToLower(absl::StripAsciiWhitespace(text));
}

// "a.example.org" lies below "example.org", and is itself.
bool IsBelow(absl::string_view name, absl::string_view domain) {
  return absl::StrContains(domain, '.') && (name == domain || absl::EndsWith(name, absl::StrCat(".", domain)));
}

bool IsBelowAny(absl::string_view name, const std::vector<std::string>& domains) {
  return std::any_of(domains.begin(), domains.end(),
                     [name](const std::string& domain) { return IsBelow(name, domain) || IsBelow(domain, name); });
}

std::vector<uint32_t> Octets(absl::string_view host) {
  std::vector<uint32_t> octets;
  for (const absl::string_view part : absl::StrSplit(host, '.')) {
    uint32_t value = 0;
    if (!absl::SimpleAtoi(part, &value) || value > 255) {
      return {};
    }
    octets.push_back(value);
  }
  return octets.size() == 4 ? octets : std::vector<uint32_t>();
}

std::string UrlHost(absl::string_view url) {
  const size_t scheme = url.find("://");
  if (scheme == absl::string_view::npos) {
    return "";
  }
  absl::string_view host = url.substr(scheme + 3);
  host = host.substr(0, host.find_first_of("/:?#"));
  absl::ConsumePrefix(&host, "www.");
  absl::ConsumePrefix(&host, "bugs.");
  return Lower(host);
}

// The value of KEY=value or KEY="value".
std::string ShellValue(absl::string_view line) {
  absl::string_view value = line.substr(std::min(line.size(), line.find('=') + 1));
  value = absl::StripAsciiWhitespace(value);
  if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') && value.back() == value.front()) {
    value = value.substr(1, value.size() - 2);
  }
  return std::string(value);
}

// The field Origin of a Release file among apt's lists.
std::string OriginOf(const HostRoot& root, absl::string_view release) {
  std::string origin;
  root.ForEachLine(absl::StrCat(kLists, "/", release), [&origin](absl::string_view line) {
    if (absl::ConsumePrefix(&line, "Origin:")) {
      origin = std::string(absl::StripAsciiWhitespace(line).substr(0, 80));
    }
    return origin.empty() && !absl::StartsWith(line, "SHA256:") && !absl::StartsWith(line, "MD5Sum:");
  });
  return origin;
}

void AddDomain(absl::string_view name, std::vector<std::string>& domains) {
  std::string domain = Lower(name);
  if (absl::StrContains(domain, '.') && Octets(domain).empty() && domains.size() < 32) {
    domains.push_back(std::move(domain));
  }
}

std::vector<std::string> SiteDomains(const HostRoot& root) {
  std::vector<std::string> domains;
  const std::string host_name = Lower(root.Read("/etc/hostname", 256).value_or(""));
  // The domain of "web1.shop.example" is what follows the first dot.
  const auto add_host = [&domains](absl::string_view name) {
    const size_t dot = name.find('.');
    if (dot != absl::string_view::npos) {
      AddDomain(name.substr(dot + 1), domains);
    }
  };
  add_host(host_name);
  if (const auto mail = root.Read("/etc/mailname", 256); mail.ok()) {
    const std::string name = Lower(*mail);
    if (std::count(name.begin(), name.end(), '.') > 1) {
      add_host(name);
    } else {
      AddDomain(name, domains);
    }
  }
  root.ForEachLine("/etc/resolv.conf", [&](absl::string_view line) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    if (!words.empty() && (words[0] == "search" || words[0] == "domain")) {
      for (size_t i = 1; i < words.size(); ++i) {
        AddDomain(words[i], domains);
      }
    }
    return true;
  });
  const std::string short_name = host_name.substr(0, host_name.find('.'));
  root.ForEachLine("/etc/hosts", [&](absl::string_view line) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    for (size_t i = 1; i < words.size() && !short_name.empty(); ++i) {
      if (absl::StartsWith(Lower(words[i]), absl::StrCat(short_name, "."))) {
        add_host(Lower(words[i]));
      }
    }
    return domains.size() < 32;
  });
  return domains;
}

}  // namespace

std::string MailDomain(absl::string_view maintainer) {
  const size_t at = maintainer.rfind('@');
  if (at == absl::string_view::npos) {
    return "";
  }
  const absl::string_view domain = maintainer.substr(at + 1);
  return Lower(domain.substr(0, domain.find_first_of("> ,")));
}

bool IsPrivateHost(absl::string_view host) {
  const std::string name = Lower(host.substr(0, host.find(':')));
  const std::vector<uint32_t> octets = Octets(name);
  if (!octets.empty()) {
    return octets[0] == 10 || octets[0] == 127 || (octets[0] == 172 && octets[1] / 16 == 1) ||
           (octets[0] == 192 && octets[1] == 168) || (octets[0] == 100 && octets[1] / 64 == 1);
  }
  constexpr absl::string_view kNeverPublic[] = {".internal", ".local", ".localdomain", ".lan",       ".intranet",
                                                ".corp",     ".home",  ".private",     ".home.arpa", ".localhost"};
  return !absl::StrContains(name, '.') ||
         std::any_of(std::begin(kNeverPublic), std::end(kNeverPublic),
                     [&name](absl::string_view ending) { return absl::EndsWith(name, ending); });
}

void PackageSuppliers::Refresh(const HostRoot& root) {
  const auto lists = root.Stat(kLists);
  const FileKey key = lists.ok() ? lists->key : FileKey();
  if (fresh_ && key == lists_key_ && root.key() == root_key_) {
    return;
  }
  fresh_ = true;
  lists_key_ = key;
  root_key_ = root.key();
  repositories_.clear();
  distribution_ids_.clear();
  distribution_domains_.clear();
  cache_.clear();
  site_domains_ = SiteDomains(root);

  const std::vector<std::string> names = root.List(kLists, 16 * kMaxRepositories);
  for (const std::string& name : names) {
    if (!absl::EndsWith(name, "_Packages") || repositories_.size() >= kMaxRepositories) {
      continue;
    }
    Repository repository;
    repository.packages_file = absl::StrCat(kLists, "/", name);
    repository.host = name.substr(0, name.find('_'));
    // The Release file whose stem is the longest beginning of this name describes it.
    size_t best = 0;
    std::string release;
    for (const std::string& candidate : names) {
      for (const absl::string_view ending : {"InRelease", "Release"}) {
        absl::string_view stem = candidate;
        if (absl::ConsumeSuffix(&stem, ending) && absl::EndsWith(stem, "_") && stem.size() > best &&
            absl::StartsWith(name, stem)) {
          best = stem.size();
          release = candidate;
        }
      }
    }
    if (!release.empty()) {
      repository.origin = OriginOf(root, release);
    }
    repositories_.push_back(std::move(repository));
  }
  ReadDistribution(root, names);
}

void PackageSuppliers::ReadDistribution(const HostRoot& root, const std::vector<std::string>& lists) {
  distribution_name_.clear();
  const absl::string_view os_release = root.IsFile("/etc/os-release") ? "/etc/os-release" : "/usr/lib/os-release";
  const std::string text = root.Read(os_release, kSmallFile).value_or("");
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::StartsWith(line, "NAME=")) {
      distribution_name_ = ShellValue(line);
    } else if (absl::StartsWith(line, "ID=") || absl::StartsWith(line, "ID_LIKE=")) {
      for (const absl::string_view id : absl::StrSplit(ShellValue(line), ' ', absl::SkipEmpty())) {
        distribution_ids_.push_back(Lower(id));
      }
    } else if (absl::StartsWith(line, "HOME_URL=") || absl::StartsWith(line, "SUPPORT_URL=") ||
               absl::StartsWith(line, "BUG_REPORT_URL=")) {
      AddDomain(UrlHost(ShellValue(line)), distribution_domains_);
    }
  }
  // Release files lie here even where the lists beside them are compressed, or were left out of an image.
  size_t releases = 0;
  distribution_offers_ = false;
  for (const std::string& name : lists) {
    if (absl::EndsWith(name, "_InRelease") || absl::EndsWith(name, "_Release")) {
      const std::string origin = OriginOf(root, name);
      if (IsDistribution(origin)) {
        distribution_name_ = origin;
        distribution_offers_ = true;
      }
      if (++releases == kMaxRepositories) {
        break;
      }
    }
  }
  distribution_offers_ = distribution_offers_ || releases == 0;
}

bool PackageSuppliers::IsDistribution(absl::string_view origin) const {
  return std::find(distribution_ids_.begin(), distribution_ids_.end(), Lower(origin)) != distribution_ids_.end();
}

// A distribution's people write from its domains: those of its addresses in os-release, and the same name under
// another top-level domain, if packages come from it here.
bool PackageSuppliers::MaintainsDistribution(absl::string_view domain) const {
  if (IsBelowAny(domain, distribution_domains_)) {
    return true;
  }
  const std::vector<absl::string_view> labels = absl::StrSplit(domain, '.');
  return distribution_offers_ && labels.size() >= 2 && IsDistribution(labels[labels.size() - 2]);
}

Supply PackageSuppliers::SupplierOf(const HostRoot& root, const Package& package) {
  Refresh(root);
  const std::string key = absl::StrCat(package.name, " ", package.version);
  if (const auto it = cache_.find(key); it != cache_.end()) {
    return it->second;
  }
  if (cache_.size() >= kMaxSuppliers) {
    cache_.clear();
  }
  return cache_.emplace(key, Judge(root, package)).first->second;
}

Supply PackageSuppliers::Judge(const HostRoot& root, const Package& package) const {
  const std::string domain = MailDomain(package.maintainer);
  const bool by_site =
      !package.maintainer.empty() && (domain.empty() || IsPrivateHost(domain) || IsBelowAny(domain, site_domains_));
  const Repository* same = nullptr;   // offers exactly this version
  const Repository* other = nullptr;  // offers another version
  std::string newest;                 // of the other versions
  const auto is_distribution = [this](const Repository& repository) { return IsDistribution(repository.origin); };
  const std::string heading = absl::StrCat("Package: ", package.name);
  for (const Repository& repository : repositories_) {
    // The search finds the stanza's first line fast; its version needs the lines after it.
    const std::string hit = root.FindLine(repository.packages_file, heading,
                                          [&heading](absl::string_view line) { return line == heading; });
    if (hit.empty()) {
      continue;
    }
    bool inside = false;
    root.ForEachLine(repository.packages_file, [&](absl::string_view line) {
      if (line == heading) {
        inside = true;
      } else if (line.empty()) {
        inside = false;
      } else if (inside && absl::ConsumePrefix(&line, "Version:")) {
        const absl::string_view version = absl::StripAsciiWhitespace(line);
        if (version == package.version) {
          if (same == nullptr || is_distribution(repository)) {
            same = &repository;
          }
        } else {
          other = &repository;
          if (newest.empty() || CompareVersions(version, newest) > 0) {
            newest = std::string(version);
          }
        }
      }
      return true;
    });
  }
  const auto called = [](const Repository& repository) {
    return absl::StrCat(repository.host.empty() ? "a local directory" : repository.host,
                        repository.origin.empty() ? "" : absl::StrCat(" (Origin: ", repository.origin, ")"));
  };
  if (same != nullptr) {
    const std::string what = absl::StrCat(package.name, " ", package.version, " is offered by ", called(*same));
    if (is_distribution(*same)) {
      return {Supplier::kDistribution, 0.99, true, absl::StrCat(what, ", this system's distribution"), same->origin};
    }
    if (by_site) {
      return {Supplier::kSite, 0.95, true, absl::StrCat(what, "; its maintainer is of this site: ", domain), ""};
    }
    if (same->host.empty() || IsPrivateHost(same->host) || IsBelowAny(same->host, site_domains_)) {
      return {Supplier::kSite, 0.75, true, absl::StrCat(what, ", a private repository"), ""};
    }
    return {Supplier::kVendor, 0.95, true, absl::StrCat(what, ", a public repository"), same->origin};
  }
  if (by_site) {
    return {Supplier::kSite, 0.9, false,
            absl::StrCat("no repository known here offers ", package.name, " ", package.version,
                         "; its maintainer is of this site: ", domain.empty() ? package.maintainer : domain),
            ""};
  }
  if (other != nullptr) {
    if (CompareVersions(package.version, newest) > 0) {
      return {Supplier::kSite, 0.75, true,
              absl::StrCat(package.name, " ", package.version, " is newer than any repository known here offers (",
                           newest, " from ", called(*other), "): rebuilt by the site"),
              ""};
    }
    return {is_distribution(*other) ? Supplier::kDistribution : Supplier::kVendor, 0.9, true,
            absl::StrCat(package.name, " ", package.version, " is an earlier release of what ", called(*other),
                         " offers (", newest, ")"),
            other->origin};
  }
  if (MaintainsDistribution(domain)) {
    return {Supplier::kDistribution, repositories_.empty() ? 0.9 : 0.8, false,
            absl::StrCat("the maintainer of ", package.name, " is of this system's distribution: ", domain),
            distribution_name_};
  }
  if (repositories_.empty()) {
    return {Supplier::kVendor, 0.75, false,
            absl::StrCat("no readable repository lists here; the maintainer of ", package.name,
                         " is not of this site: ", domain.empty() ? "not named" : domain),
            ""};
  }
  return {Supplier::kSite, 0.6, false,
          absl::StrCat("no repository known here offers ", package.name,
                       "; maintainer: ", package.maintainer.empty() ? "not named" : package.maintainer),
          ""};
}

}  // namespace ppmm
