#include "agent/identify/identify.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "agent/identify/container.h"
#include "agent/identify/file_judge.h"
#include "agent/identify/host_root.h"
#include "agent/identify/interpreter.h"
#include "agent/identify/project.h"
#include "agent/identify/unit.h"
#include "common/text.h"

namespace ppmm {
namespace {

constexpr size_t kMaxContainers = 64;  // container file systems whose answers are kept
constexpr size_t kMaxName = 128;
constexpr size_t kMaxSentence = 200;
constexpr size_t kMaxEvidence = 8;
constexpr absl::string_view kDeleted = " (deleted)";
constexpr absl::string_view kMemfd = "/memfd:";

// A name as it is sent: escaped, and of two names never one. A "~" at its beginning is escaped, too, since such names
// are ours ("~other"), and a space there, since a name of spaces cannot be seen. One that is too long keeps its
// beginning, and a digest of the whole behind "\~", which no escaped text has.
std::string SentName(absl::string_view name) {
  constexpr size_t kDigits = 12;
  const auto escaped = [name](size_t max_bytes) {
    if (absl::StartsWith(name, "~") || absl::StartsWith(name, " ")) {
      return absl::StrCat(name[0] == '~' ? "\\x7e" : "\\x20", EscapeExactly(name.substr(1), max_bytes - 4));
    }
    return EscapeExactly(name, max_bytes);
  };
  std::string out = escaped(std::string::npos);
  if (out.size() > kMaxName) {
    out = absl::StrCat(escaped(kMaxName - kDigits - 2), "\\~", Sha256Hex(name).substr(0, kDigits));
  }
  return out;
}

// A program that lives in memory only is called as its maker called the memory, often with random digits behind, which
// differ in each run: "/memfd:sealed-91173221a7ea" is "/memfd:sealed". Other paths stay as they are.
std::string WithoutRandomEnd(std::string path) {
  constexpr size_t kFewest = 4;
  while (absl::StartsWith(path, kMemfd)) {
    const size_t separator = path.find_last_of("-_.:");  // at least the colon of the prefix
    const absl::string_view end = absl::string_view(path).substr(separator + 1);
    const bool random = end.size() >= kFewest && std::all_of(end.begin(), end.end(), absl::ascii_isxdigit) &&
                        std::any_of(end.begin(), end.end(), absl::ascii_isdigit);
    if (!random) {
      break;
    }
    path.resize(separator);
  }
  return path;
}

// What runs inside a process, after interpreters and servers have been looked through.
struct Subject {
  std::string executable;  // without " (deleted)", links followed
  std::optional<Language> language;
  Code code;             // what the interpreter runs
  Code hosted;           // own code that a program of others runs
  FileVerdict verdict;   // of the file that decides
  std::string path;      // that file; empty: code without a file
  FileVerdict program;   // of the executable
  Project project;       // what own code calls itself; empty name: not looked for
  bool deleted = false;  // the executable's file is gone or another
};

}  // namespace

absl::string_view NameSourceText(NameSource source) {
  switch (source) {
    case NameSource::kContainer:
      return "container";
    case NameSource::kUnit:
      return "unit";
    case NameSource::kInterpreter:
      return "interpreter";
    case NameSource::kPackage:
      return "package";
    case NameSource::kExecutable:
      break;
  }
  return "executable";
}

absl::string_view OriginText(CodeOrigin origin) {
  switch (origin) {
    case CodeOrigin::kOffTheShelf:
      return "off-the-shelf";
    case CodeOrigin::kInHouse:
      return "in-house";
    case CodeOrigin::kUnknown:
      break;
  }
  return "unknown";
}

class Identifier::Impl {
 public:
  explicit Impl(HostRoot host) : host_(std::move(host)) {}

  void Rest() {
    host_judge_.Rest();
    for (auto& [key, judge] : container_judges_) {
      judge->Rest();
    }
  }

  Identity Identify(const ProcessFacts& facts) {
    Identity identity;
    identity.executable = facts.exe;
    if (facts.exe.empty()) {
      return IdentifyWithoutProgram(facts, std::move(identity));
    }
    std::optional<HostRoot> other;
    if (!facts.root.empty()) {
      absl::StatusOr<HostRoot> opened = HostRoot::Open(facts.root);
      if (!opened.ok()) {
        identity.evidence.push_back({"none", "the file system of its container cannot be opened"});
      } else if (opened->key() != host_.key()) {
        other.emplace(*std::move(opened));
      }
    }
    const HostRoot& root = other ? *other : host_;
    FileJudge& judge = JudgeOf(root);
    const UnitPlace place = UnitOfCgroup(facts.cgroup);
    const std::optional<Container> container =
        place.in_container() ? FindContainer(host_, place.container_id) : std::nullopt;
    const UnitFacts unit = LookAtUnit(place);

    Subject subject = Look(facts, root, judge);
    JudgeCode(facts, root, judge, unit, subject);
    if (container) {
      JudgeByImage(*container, subject);
    }
    identity.product = subject.verdict.product;
    identity.version = subject.verdict.version.empty() ? subject.project.version : subject.verdict.version;
    identity.code_digest = subject.verdict.digest;
    if (!other && !place.in_container()) {
      identity.package =
          subject.verdict.package.empty() && unit.record ? unit.record->package.name : subject.verdict.package;
    }
    identity.origin = subject.verdict.origin;
    identity.confidence = subject.verdict.confidence;
    identity.evidence.insert(identity.evidence.begin(), subject.verdict.evidence.begin(),
                             subject.verdict.evidence.end());
    identity.code_in_file = !subject.language || !subject.path.empty();
    identity.replaced = subject.deleted && (subject.path.empty() || subject.path == subject.executable);
    identity.code = WhatRuns(subject);
    if (other && !place.in_container()) {  // of the same path in a root of its own, another file
      absl::StrAppend(&identity.code, " below ", root.key().device, ":", root.key().inode);
    }
    identity.unit = place.in_container() ? place.container_id : place.unit;
    identity.slot = container              ? (container->name.empty() ? container->pod_container : container->name)
                    : place.in_container() ? place.container_id.substr(0, 12)
                                           : place.instance;
    Name(facts, place, container, unit, subject, identity);
    Finish(identity);
    return identity;
  }

 private:
  struct UnitFacts {
    bool packaged = false;  // a package owns a unit file of that name
    std::string file;       // the file found; empty: none
    std::optional<FileRecord> record;
  };

  // Code without a file is told apart by where it runs, else by how it was told: two one-liners are not one program.
  static std::string WhatRuns(const Subject& subject) {
    if (!subject.path.empty()) {
      return subject.path;
    }
    const std::string& more = subject.project.directory.empty() ? subject.code.text : subject.project.directory;
    return absl::StrCat(subject.executable, more.empty() ? "" : " ", more);
  }

  static absl::string_view FirstWord(const ProcessFacts& facts) {
    return facts.argv.empty() ? absl::string_view() : Basename(facts.argv[0]);
  }

  // Kernel threads, and processes whose program we may not see.
  static Identity IdentifyWithoutProgram(const ProcessFacts& facts, Identity identity) {
    // A program that was started by its descriptor is called by the number, which says nothing.
    for (const absl::string_view name : {absl::string_view(facts.comm), FirstWord(facts)}) {
      if (!std::all_of(name.begin(), name.end(), absl::ascii_isdigit)) {
        identity.name = std::string(name);
        break;
      }
    }
    identity.name_evidence = "what the process is called; its program cannot be seen";
    identity.evidence.push_back({"none", facts.argv.empty() ? "a thread of the kernel, or a process that ended"
                                                            : "its program cannot be seen (permission)"});
    Finish(identity);
    return identity;
  }

  static void Finish(Identity& identity) {
    identity.name = SentName(identity.name);
    if (identity.name.empty()) {
      identity.name = "unnamed";
    }
    identity.slot = SentName(identity.slot);
    identity.unit = SentName(identity.unit);
    identity.product = SentName(identity.product);
    identity.version = SentName(identity.version);
    identity.name_evidence = EscapeForDisplay(identity.name_evidence, kMaxSentence);
    if (identity.evidence.empty()) {
      identity.evidence.push_back({"none", "nothing is known about its program"});
    }
    identity.evidence.resize(std::min(identity.evidence.size(), kMaxEvidence));
    for (OriginEvidence& evidence : identity.evidence) {
      evidence.text = EscapeForDisplay(evidence.text, kMaxSentence);
    }
  }

  FileJudge& JudgeOf(const HostRoot& root) {
    if (root.key() == host_.key()) {
      return host_judge_;
    }
    if (container_judges_.size() >= kMaxContainers && !container_judges_.contains(root.key())) {
      container_judges_.clear();
    }
    std::unique_ptr<FileJudge>& judge = container_judges_[root.key()];
    if (judge == nullptr) {
      judge = std::make_unique<FileJudge>();
    }
    return *judge;
  }

  UnitFacts LookAtUnit(const UnitPlace& place) {
    UnitFacts unit;
    if (place.in_container()) {
      return unit;
    }
    for (const std::string& file : FindUnitFiles(host_, place)) {
      const std::string path = host_.Resolve(file).value_or(file);
      if (unit.file.empty()) {
        unit.file = file;
      }
      if (auto record = host_judge_.Owner(host_, path); record && !unit.packaged) {
        unit.packaged = true;
        unit.file = file;
        unit.record = std::move(record);
      }
    }
    return unit;
  }

  static Subject Look(const ProcessFacts& facts, const HostRoot& root, FileJudge& judge) {
    Subject subject;
    absl::string_view exe = facts.exe;
    subject.deleted = absl::EndsWith(exe, kDeleted) && !root.IsFile(exe);
    if (subject.deleted) {
      absl::ConsumeSuffix(&exe, kDeleted);
    }
    subject.executable = WithoutRandomEnd(root.Resolve(exe).value_or(std::string(exe)));
    subject.program = judge.Judge(root, subject.executable, facts.exe_file, subject.deleted);
    const absl::string_view argv0 = facts.argv.empty() ? absl::string_view() : absl::string_view(facts.argv[0]);
    subject.language = InterpreterOf(subject.executable, argv0);
    if (!subject.language && !subject.program.package_path.empty()) {
      subject.language = InterpreterOf(subject.program.package_path, argv0);  // a renamed copy
    }
    if (subject.language) {
      subject.code = FindCode(*subject.language, facts.argv, facts.cwd, root);
      if (subject.code.kind == CodeKind::kNone && !Rewritten(facts) && ReadsStandardInput(*subject.language, facts)) {
        subject.code.kind = CodeKind::kInline;
        subject.code.text = "-";
      }
    }
    return subject;
  }

  // Decides which file speaks for the process, and what it says.
  static void JudgeCode(const ProcessFacts& facts, const HostRoot& root, FileJudge& judge, const UnitFacts& unit,
                        Subject& subject) {
    if (!subject.language) {
      subject.verdict = subject.program;
      subject.path = subject.executable;
      TakeHosted(facts, root, judge, 1, facts.cwd, subject);
      return;
    }
    if (!subject.code.path.empty()) {
      subject.path = subject.code.path;
      subject.verdict = judge.Judge(root, subject.path, "", false);
      if (subject.verdict.packaged || subject.verdict.origin == CodeOrigin::kOffTheShelf) {
        TakeHosted(facts, root, judge, subject.code.arguments_at, facts.cwd, subject);
      } else {
        subject.verdict.evidence.push_back(
            {"interpreter", absl::StrCat(Basename(subject.executable), " runs ", subject.code.text)});
        subject.project = subject.code.kind == CodeKind::kModule
                              ? NameForModule(root, subject.code.text, subject.code.module_directory)
                              : NameForFile(root, subject.path);
      }
      return;
    }
    JudgeCodeWithoutFile(facts, root, unit, subject);
  }

  // An interpreter whose code is no file we can see.
  static void JudgeCodeWithoutFile(const ProcessFacts& facts, const HostRoot& root, const UnitFacts& unit,
                                   Subject& subject) {
    FileVerdict& verdict = subject.verdict;
    const std::string what(Basename(subject.executable));
    if (unit.packaged) {
      verdict.origin = CodeOrigin::kOffTheShelf;
      verdict.confidence = 0.75;
      verdict.product = ProductName(unit.record->package.source, unit.record->package.version);
      verdict.version = unit.record->package.version;
      verdict.digest = subject.program.digest;
      verdict.evidence.push_back(
          {"package", absl::StrCat(what, " was started by ", unit.file, " of package ", unit.record->package.name, " ",
                                   unit.record->package.version)});
      return;
    }
    if (subject.code.kind == CodeKind::kProject) {
      subject.project = NameForModule(root, "", subject.code.module_directory);
      verdict.origin = CodeOrigin::kInHouse;
      verdict.confidence = 0.7;
      verdict.evidence.push_back({"interpreter", absl::StrCat(what, " serves ", subject.code.module_directory)});
      return;
    }
    if (subject.code.kind == CodeKind::kInline) {
      verdict.origin = CodeOrigin::kInHouse;
      verdict.confidence = 0.6;
      verdict.evidence.push_back({"interpreter", subject.code.text == "-"
                                                     ? absl::StrCat(what, " reads its code from a pipe or an open file")
                                                     : absl::StrCat("the code is on the command line of ", what)});
      if (const auto project = FindProject(root, facts.cwd)) {
        subject.project = *project;
      }
      return;
    }
    // Nothing named any code. Programs that rewrite their command line often leave their working directory.
    if (const auto project = FindProject(root, facts.cwd);
        project && (subject.code.kind != CodeKind::kNone || Rewritten(facts))) {
      subject.project = *project;
      verdict.origin = CodeOrigin::kInHouse;
      verdict.confidence = 0.55;
      verdict.evidence.push_back(
          {"interpreter", absl::StrCat(what, " runs in the project directory ", project->directory)});
      return;
    }
    if (subject.code.kind == CodeKind::kNone && *subject.language != Language::kPhpFpm && !Rewritten(facts) &&
        *subject.language != Language::kBeam) {
      verdict = subject.program;
      verdict.confidence = std::min(verdict.confidence, 0.7);
      verdict.evidence.push_back({"interpreter", absl::StrCat(what, " runs interactively")});
      return;
    }
    if (!subject.code.text.empty()) {  // the interpreter's version is not that of what it runs
      verdict.evidence.push_back(
          {"interpreter", absl::StrCat(what, " runs ", subject.code.text, ", which cannot be found")});
      return;
    }
    verdict.product = subject.program.product;
    verdict.version = subject.program.version;
    verdict.digest = subject.program.digest;
    verdict.evidence.push_back({"interpreter", absl::StrCat("what ", what, " runs cannot be seen from outside")});
  }

  // Whether an interpreter that was told no code gets it from a pipe, a socket or a file, not from somebody's terminal.
  static bool ReadsStandardInput(Language language, const ProcessFacts& facts) {
    const absl::string_view input = facts.standard_input;
    return language != Language::kPhpFpm && language != Language::kBeam && !input.empty() &&
           !absl::StartsWith(input, "/dev/");
  }

  // Whether the program wrote a title over its command line.
  static bool Rewritten(const ProcessFacts& facts) {
    if (facts.argv.size() != 1) {
      return false;
    }
    absl::string_view word = facts.argv[0];
    absl::ConsumePrefix(&word, "-");  // a login shell
    return absl::StrContains(word, ' ') || !InterpreterOf(word, word).has_value();
  }

  // Own code under a server of others is what the application is.
  static void TakeHosted(const ProcessFacts& facts, const HostRoot& root, FileJudge& judge, size_t from,
                         const std::string& directory, Subject& subject) {
    if (subject.verdict.origin != CodeOrigin::kOffTheShelf) {
      return;
    }
    const std::string server = subject.path;
    Code hosted = FindHostedCode(facts.argv, from, directory, root);
    if (hosted.kind == CodeKind::kNone) {
      // Servers of scripts are often told by their working directory alone.
      const bool runs_scripts = subject.language == Language::kRuby || subject.language == Language::kNode ||
                                subject.language == Language::kPython;
      const auto project = runs_scripts && !absl::StrContains(subject.path, "/node_modules/npm/")
                               ? FindProject(root, facts.cwd)
                               : std::nullopt;
      if (!project || absl::StartsWith(project->directory, "/usr/") ||
          absl::StartsWith(server, absl::StrCat(project->directory, "/")) ||
          judge.Owner(root, project->directory).has_value()) {
        return;
      }
      subject.project = *project;
      subject.hosted.kind = CodeKind::kProject;
      subject.hosted.text = project->directory;
      subject.path = project->directory;
      SetHosted(server, absl::StrCat("the project directory ", project->directory), 0.75, subject);
      return;
    }
    FileVerdict verdict = judge.Judge(root, hosted.path, "", false);
    if (verdict.origin != CodeOrigin::kInHouse) {
      return;  // part of what is installed
    }
    subject.hosted = std::move(hosted);
    subject.path = subject.hosted.path;
    subject.project = subject.hosted.kind == CodeKind::kModule
                          ? NameForModule(root, subject.hosted.text, subject.hosted.module_directory)
                          : NameForFile(root, subject.path);
    std::swap(subject.verdict, verdict);
    subject.verdict.evidence.push_back(
        {"interpreter", absl::StrCat(server, ", which is off-the-shelf, runs ", subject.path)});
  }

  static void SetHosted(absl::string_view server, absl::string_view what, double confidence, Subject& subject) {
    FileVerdict verdict;
    verdict.origin = CodeOrigin::kInHouse;
    verdict.confidence = confidence;
    verdict.evidence.push_back({"interpreter", absl::StrCat(server, ", which is off-the-shelf, runs ", what)});
    subject.verdict = std::move(verdict);
  }

  // Code that no package explains may still be a vendor's: when the vendor built the image.
  static void JudgeByImage(const Container& container, Subject& subject) {
    if (container.image.empty() || subject.verdict.packaged ||
        (subject.verdict.origin == CodeOrigin::kOffTheShelf && subject.verdict.confidence > 0.7)) {
      return;
    }
    for (const std::string& mount : container.mounts) {
      if (absl::StartsWith(subject.path, absl::StrCat(mount, "/"))) {
        subject.verdict.evidence.push_back({"path", absl::StrCat(subject.path, " is mounted into the container")});
        return;
      }
    }
    const ImageReference image = ParseImage(container.image);
    FileVerdict& verdict = subject.verdict;
    const auto set = [&](CodeOrigin origin, double confidence, absl::string_view why) {
      verdict.origin = origin;
      verdict.confidence = confidence;
      verdict.evidence.insert(verdict.evidence.begin(), {"image", absl::StrCat("image ", container.image, " ", why)});
    };
    if (verdict.product.empty()) {
      verdict.product = std::string(Basename(image.repository));
    }
    if (verdict.version.empty() && image.tag != "latest") {
      verdict.version = image.tag;
    }
    if (container.fetched == false) {
      set(CodeOrigin::kInHouse, 0.9, "was built here: the runtime keeps no registry's digest of it");
    } else if (!image.registry.empty() && IsPrivateHost(image.registry)) {
      set(CodeOrigin::kInHouse, 0.8, "comes from a private registry");
    } else if (image.official && container.fetched == true) {
      set(CodeOrigin::kOffTheShelf, 0.9, "is a vendor's official image");
    } else {
      set(CodeOrigin::kUnknown, 0.3, "comes from a public registry, where its maker may be anybody");
    }
  }

  // Rules 1 to 5 of design.md section 7: the first that applies.
  static void Name(const ProcessFacts& facts, const UnitPlace& place, const std::optional<Container>& container,
                   const UnitFacts& unit, const Subject& subject, Identity& identity) {
    const auto set = [&identity](NameSource source, std::string name, std::string evidence) {
      identity.name_source = source;
      identity.name = std::move(name);
      identity.name_evidence = std::move(evidence);
    };
    if (container && !container->compose_project.empty() && !container->compose_service.empty()) {
      return set(NameSource::kContainer, absl::StrCat(container->compose_project, "/", container->compose_service),
                 absl::StrCat("compose service ", container->compose_service, " of project ",
                              container->compose_project, ", as ", container->told_by, " tells"));
    }
    if (container && !container->image.empty()) {
      const ImageReference image = ParseImage(container->image);
      if (!image.repository.empty() && !absl::StartsWith(container->image, "sha256:")) {
        return set(NameSource::kContainer, image.repository,
                   absl::StrCat("image ", container->image, ", as ", container->told_by, " tells"));
      }
    }
    if (place.in_unit() && !place.in_container() && !unit.packaged && !place.transient && !place.name.empty()) {
      return set(NameSource::kUnit, place.name,
                 unit.file.empty()
                     ? absl::StrCat("systemd unit ", place.unit, ", whose file is not found below this root")
                     : absl::StrCat("systemd unit ", unit.file, ", which no package owns"));
    }
    if (!subject.project.name.empty()) {
      return set(NameSource::kInterpreter, subject.project.name, subject.project.evidence);
    }
    NameByPackage(facts, unit, subject, identity);
  }

  static void NameByPackage(const ProcessFacts& facts, const UnitFacts& unit, const Subject& subject,
                            Identity& identity) {
    const std::string file(Basename(subject.path.empty() ? subject.executable : subject.path));
    const bool is_code = subject.language && !subject.path.empty() && subject.path != subject.executable;
    if (!identity.product.empty() && (subject.verdict.packaged || is_code || unit.packaged)) {
      // What belongs to the interpreter itself ("python3 -m http.server") is named by its module or script.
      if (is_code && identity.product == subject.program.product && subject.program.packaged) {
        identity.name =
            subject.code.kind == CodeKind::kModule ? subject.code.text : ProductName(file, identity.version);
        identity.name_source = NameSource::kInterpreter;
        identity.name_evidence = absl::StrCat(subject.code.text, " of the interpreter ", identity.product);
        return;
      }
      identity.name = identity.product;
      identity.name_source = NameSource::kPackage;
      identity.name_evidence = absl::StrCat("product ", identity.product, " ", identity.version, " of ",
                                            subject.path.empty() ? unit.file : subject.path);
      return;
    }
    if (subject.language && subject.code.kind == CodeKind::kInline) {
      // Not the interpreter's own name: what somebody types into it is another application.
      identity.name = absl::StrCat(Basename(subject.executable), " ", subject.code.text);
      identity.name_source = NameSource::kInterpreter;
      identity.name_evidence = absl::StrCat("code without a file, run by ", subject.executable);
      return;
    }
    if (subject.language && !subject.code.text.empty()) {
      identity.name = subject.code.kind == CodeKind::kScript || subject.code.kind == CodeKind::kJar
                          ? std::string(Basename(subject.code.text))
                          : subject.code.text;
      identity.name_source = NameSource::kInterpreter;
      identity.name_evidence = absl::StrCat("the command line of ", Basename(subject.executable));
      return;
    }
    identity.name = std::string(Basename(subject.executable));
    identity.name_source = NameSource::kExecutable;
    identity.name_evidence = absl::StrCat("the base name of ", subject.executable);
    if (identity.name.empty()) {
      identity.name = facts.comm;
    }
  }

  HostRoot host_;
  FileJudge host_judge_;
  absl::flat_hash_map<FileKey, std::unique_ptr<FileJudge>> container_judges_;
};

Identifier::Identifier(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Identifier::~Identifier() = default;

absl::StatusOr<std::unique_ptr<Identifier>> Identifier::Create(absl::string_view root) {
  absl::StatusOr<HostRoot> host = HostRoot::Open(root);
  if (!host.ok()) {
    return host.status();
  }
  return std::unique_ptr<Identifier>(new Identifier(std::make_unique<Impl>(*std::move(host))));
}

Identity Identifier::Identify(const ProcessFacts& facts) {
  return impl_->Identify(facts);
}
void Identifier::Rest() {
  impl_->Rest();
}

}  // namespace ppmm
