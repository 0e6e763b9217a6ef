#include "common/config_loader.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/util/message_differencer.h"

#include "common/config_value.h"
#include "common/human.h"
#include "common/log.h"
#include "common/nearest.h"
#include "common/status.h"
#include "common/yaml_document.h"
#include "proto/config_options.pb.h"

namespace ppmm {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// More keys than this are not listed in an error: it stays one line.
constexpr size_t kMostKeysListed = 12;

std::string Join(absl::string_view path, absl::string_view key) {
  return path.empty() ? std::string(key) : absl::StrCat(path, ".", key);
}

// The paths of the schema that end in `key`, for a key that stands in the wrong message. Messages that contain
// themselves end the search, as does depth.
void FindKeyElsewhere(const Descriptor& type, absl::string_view key, const std::string& path, int depth,
                      std::vector<std::string>* found) {
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (field.name() == key) {
      found->push_back(path.empty() ? "the top level" : absl::StrCat("\"", path, "\""));
    }
    if (depth < 4 && !IsScalar(field) && !field.is_map()) {
      FindKeyElsewhere(*field.message_type(), key, Join(path, std::string(field.name())), depth + 1, found);
    }
  }
}

// Walks a document beside its message.
class Reader {
 public:
  Reader(absl::string_view file, const Descriptor& root, ConfigReport* report)
      : file_(file), root_(root), report_(report) {}

  void ReadMessage(const YamlNode& node, const std::string& path, Message* out) {
    const Descriptor& type = *out->GetDescriptor();
    if (node.kind != YamlNode::Kind::kMap) {
      if (node.kind != YamlNode::Kind::kScalar || !SetFlagByName(node, path, out)) {
        Refuse(node, path, absl::StrCat("must hold keys (", absl::StrJoin(KeysOf(type), ", "), "), not ", Kind(node)));
      }
      return;
    }
    ForEachKey(node, [&](const YamlNode& key, const YamlNode& value) {
      const FieldDescriptor* field = type.FindFieldByName(key.text);
      if (field == nullptr) {
        UnknownKey(key, type, path);
      } else {
        report_->SetPlace(Join(path, key.text), Place(IsScalar(*field) && !field->is_repeated() ? value : key));
        ReadField(*field, key, value, Join(path, key.text), out);
      }
    });
  }

 private:
  ConfigPlace Place(const YamlNode& node) const { return {file_, node.line, node.column}; }

  void Refuse(const YamlNode& node, absl::string_view path, absl::string_view message) {
    report_->AddErrorAt(Place(node),
                        path.empty() ? absl::StrCat("the file ", message) : absl::StrCat(path, ": ", message));
  }

  static absl::string_view Kind(const YamlNode& node) {
    switch (node.kind) {
      case YamlNode::Kind::kNull:
        return "nothing";
      case YamlNode::Kind::kScalar:
        return "a single value";
      case YamlNode::Kind::kList:
        return "a list";
      case YamlNode::Kind::kMap:
        return "keys";
    }
    return "";
  }

  // Calls `visit` for each pair whose key is text and comes for the first time.
  template <class Visit>
  void ForEachKey(const YamlNode& map, const Visit& visit) {
    absl::flat_hash_map<absl::string_view, int> lines;
    for (size_t i = 0; i + 1 < map.items.size(); i += 2) {
      const YamlNode& key = map.items[i];
      if (key.kind != YamlNode::Kind::kScalar) {
        report_->AddErrorAt(Place(key), absl::StrCat("a key must be a word, not ", Kind(key)));
        continue;
      }
      const auto [first, is_new] = lines.emplace(key.text, key.line);
      if (!is_new) {
        report_->AddErrorAt(Place(key), absl::StrCat("key \"", EscapeForDisplay(key.text, 64),
                                                     "\" is given twice, first in line ", first->second));
        continue;
      }
      visit(key, map.items[i + 1]);
    }
  }

  void UnknownKey(const YamlNode& key, const Descriptor& type, absl::string_view path) {
    std::string message = absl::StrCat("unknown key \"", EscapeForDisplay(key.text, 64), "\"");
    if (!path.empty()) {
      absl::StrAppend(&message, " in \"", path, "\"");
    }
    const std::vector<std::string> keys = KeysOf(type);
    std::vector<std::string> elsewhere;
    FindKeyElsewhere(root_, key.text, "", 0, &elsewhere);
    if (const std::string near = DidYouMean(key.text, keys); !near.empty()) {
      absl::StrAppend(&message, near);
    } else if (!elsewhere.empty() && elsewhere.size() <= 3) {
      absl::StrAppend(&message, "; it belongs to ", absl::StrJoin(elsewhere, " or "), " (check the indentation)");
    } else if (keys.size() <= kMostKeysListed) {
      absl::StrAppend(&message, "; allowed: ", absl::StrJoin(keys, ", "));
    }
    report_->AddErrorAt(Place(key), message);
  }

  bool SetFlagByName(const YamlNode& node, const std::string& path, Message* out) {
    const FieldDescriptor* field = out->GetDescriptor()->FindFieldByName(node.text);
    if (field == nullptr || field->is_repeated() || field->cpp_type() != FieldDescriptor::CPPTYPE_BOOL) {
      return false;
    }
    report_->SetPlace(Join(path, node.text), Place(node));
    out->GetReflection()->SetBool(out, field, true);
    return true;
  }

  void ReadField(const FieldDescriptor& field, const YamlNode& key, const YamlNode& value, const std::string& path,
                 Message* out) {
    const bool one_text = IsScalar(field) && !field.is_repeated();
    if (value.kind == YamlNode::Kind::kNull) {
      // A section whose lines are all commented out is as if it were not there.
      if (one_text) {
        Refuse(key, path, "has no value; write one or remove the key");
      }
      return;
    }
    if (one_text) {
      ReadScalar(field, value, path, out);
    } else if (field.is_map()) {
      ReadMap(field, value, path, out);
    } else if (field.is_repeated()) {
      ReadList(field, value, path, out);
    } else {
      ReadMessage(value, path, out->GetReflection()->MutableMessage(out, &field));
    }
  }

  void ReadScalar(const FieldDescriptor& field, const YamlNode& value, const std::string& path, Message* out) {
    if (value.kind != YamlNode::Kind::kScalar) {
      Refuse(value, path, absl::StrCat("must be a single value, not ", Kind(value)));
      return;
    }
    if (const absl::Status status = SetFieldFromText(field, value.text, out); !status.ok()) {
      Refuse(value, path, status.message());
    }
  }

  void ReadList(const FieldDescriptor& field, const YamlNode& list, const std::string& path, Message* out) {
    if (list.kind != YamlNode::Kind::kList) {
      Refuse(list, path, absl::StrCat("must be a list (\"- \" before each item, or [a, b]), not ", Kind(list)));
      return;
    }
    out->GetReflection()->ClearField(out, &field);
    for (size_t i = 0; i < list.items.size(); ++i) {
      const std::string item_path = absl::StrCat(path, "[", i, "]");
      report_->SetPlace(item_path, Place(list.items[i]));
      if (IsScalar(field)) {
        ReadScalar(field, list.items[i], item_path, out);
      } else {
        Message* item = out->GetReflection()->AddMessage(out, &field);
        SetDefaults(item);
        ReadMessage(list.items[i], item_path, item);
      }
    }
  }

  void ReadMap(const FieldDescriptor& field, const YamlNode& map, const std::string& path, Message* out) {
    if (map.kind != YamlNode::Kind::kMap) {
      Refuse(map, path, absl::StrCat("must hold keys of your choice, not ", Kind(map)));
      return;
    }
    out->GetReflection()->ClearField(out, &field);
    const FieldDescriptor& value_field = *field.message_type()->map_value();
    ForEachKey(map, [&](const YamlNode& key, const YamlNode& value) {
      const std::string item_path = absl::StrCat(path, "[", EscapeForDisplay(key.text, 64), "]");
      report_->SetPlace(item_path, Place(value));
      Message* entry = out->GetReflection()->AddMessage(out, &field);
      if (const absl::Status status = SetFieldFromText(*field.message_type()->map_key(), key.text, entry);
          !status.ok()) {
        Refuse(key, item_path, status.message());
      }
      if (IsScalar(value_field)) {
        ReadScalar(value_field, value, item_path, entry);
      } else {
        Message* item = entry->GetReflection()->MutableMessage(entry, &value_field);
        SetDefaults(item);
        ReadMessage(value, item_path, item);
      }
    });
  }

  const std::string file_;
  const Descriptor& root_;
  ConfigReport* const report_;
};

// Appends to `paths` what differs, below a message whose fields all need a restart or by each field's own mark.
void CollectChanges(const Message& running, const Message& loaded, const std::string& path, bool restart,
                    std::vector<std::string>* paths) {
  const Descriptor& type = *running.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    const bool marked = restart || field.options().GetExtension(config::setting).restart();
    const std::string field_path = Join(path, std::string(field.name()));
    if (!IsScalar(field) && !field.is_repeated()) {
      CollectChanges(running.GetReflection()->GetMessage(running, &field),
                     loaded.GetReflection()->GetMessage(loaded, &field), field_path, marked, paths);
    } else if (marked) {
      google::protobuf::util::MessageDifferencer differencer;
      if (!differencer.CompareWithFields(running, loaded, {&field}, {&field})) {
        paths->push_back(field_path);
      }
    }
  }
}

}  // namespace

std::string ToString(const ConfigError& error) {
  const std::string origin = EscapeForDisplay(error.place.origin);
  if (error.place.line == 0) {
    return absl::StrCat(origin, ": ", error.message);
  }
  return absl::StrCat(origin, ":", error.place.line, ":", error.place.column, ": ", error.message);
}

void ConfigReport::AddError(absl::string_view path, absl::string_view message) {
  const std::string text = absl::StrCat(path, ": ", message);
  const std::string flag = absl::StrCat("--", absl::StrReplaceAll(path, {{"_", "-"}}));
  while (true) {
    if (const auto it = places_.find(path); it != places_.end()) {
      AddErrorAt(it->second, it->second.origin == flag ? message : text);  // a flag of that name has said it
      return;
    }
    const size_t cut = path.find_last_of(".[");
    if (cut == absl::string_view::npos) {
      AddErrorAt({origin_, 0, 0}, text);
      return;
    }
    path = path.substr(0, cut);
  }
}

void ConfigReport::AddErrorAt(ConfigPlace place, absl::string_view message) {
  if (errors_.size() < kMaxErrors) {
    // Behind what stands before it in the same file; a file's mistakes stay together.
    auto at = errors_.end();
    for (auto it = errors_.begin(); it != errors_.end(); ++it) {
      if (it->place.origin != place.origin) {
        continue;
      }
      if (std::pair(it->place.line, it->place.column) > std::pair(place.line, place.column)) {
        at = it;
        break;
      }
      at = it + 1;
    }
    errors_.insert(at, {std::move(place), std::string(message)});
  } else if (errors_.size() == kMaxErrors) {
    errors_.push_back({{place.origin, 0, 0}, "more mistakes follow; correct these first"});
  }
}

void ConfigReport::SetPlace(absl::string_view path, ConfigPlace place) {
  places_.insert_or_assign(std::string(path), std::move(place));
}

absl::Status ConfigReport::status() const {
  if (ok()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrJoin(errors_, "\n", [](std::string* out, const ConfigError& error) { out->append(ToString(error)); }));
}

absl::Status ConfigReport::Refusal() const {
  const size_t count = std::min(errors_.size(), kMaxErrors);
  return absl::InvalidArgumentError(
      absl::StrCat(status().message(), ok() ? "" : "\n", errors_.size() > kMaxErrors ? "more than " : "",
                   HumanCount(static_cast<std::int64_t>(count), "error"), ", nothing loaded"));
}

void SetDefaults(Message* out) {
  const Descriptor& type = *out->GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    const config::Setting& setting = field.options().GetExtension(config::setting);
    if (!setting.default_().empty()) {
      if (const absl::Status status = SetFieldFromText(field, setting.default_(), out); !status.ok()) {
        LogError("config", "default of ", std::string(field.full_name()), ": ", status.message());
      }
    } else if (!IsScalar(field) && !field.is_repeated()) {
      SetDefaults(out->GetReflection()->MutableMessage(out, &field));
    }
  }
}

absl::Status LoadYaml(absl::string_view file_name, absl::string_view text, Message* out, ConfigReport* report) {
  std::vector<YamlProblem> problems;
  const YamlNode root = ParseYaml(text, &problems);
  for (const YamlProblem& problem : problems) {
    report->AddErrorAt({std::string(file_name), problem.line, problem.column}, problem.message);
  }
  // A tree with problems has holes, which would be told as further mistakes.
  if (!problems.empty()) {
    report->MarkUnread();
  } else if (root.kind != YamlNode::Kind::kNull) {
    Reader(file_name, *out->GetDescriptor(), report).ReadMessage(root, "", out);
  }
  return report->status();
}

void SetFromFlag(absl::string_view flag, absl::string_view path, absl::string_view text, Message* out,
                 ConfigReport* report) {
  const ConfigPlace place{std::string(flag), 0, 0};
  report->SetPlace(path, place);
  const std::vector<std::string> keys = absl::StrSplit(path, '.');
  for (size_t i = 0; i < keys.size(); ++i) {
    const FieldDescriptor* field = out->GetDescriptor()->FindFieldByName(keys[i]);
    const bool last = i + 1 == keys.size();
    if (field == nullptr || field->is_repeated() || IsScalar(*field) != last) {
      report->AddErrorAt(place, absl::StrCat("no such setting: ", path));
      return;
    }
    if (!last) {
      out = out->GetReflection()->MutableMessage(out, field);
    } else if (const absl::Status status = SetFieldFromText(*field, text, out); !status.ok()) {
      report->AddErrorAt(place, status.message());
    }
  }
}

absl::StatusOr<std::string> ReadConfigFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    const absl::Status status = ErrnoStatus(errno, path);
    return !absl::IsPermissionDenied(status)
               ? status
               : absl::PermissionDeniedError(absl::StrCat(status.message(), "; let user id ", geteuid(),
                                                          ", who runs this, read it (chown, chmod)"));
  }
  absl::StatusOr<std::string> result = std::string();
  char buffer[16 * 1024];
  while (true) {
    const ssize_t got = read(fd, buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      result = errno == EISDIR ? absl::InvalidArgumentError(absl::StrCat(path, ": is a folder, not a file"))
                               : ErrnoStatus(errno, path);
      break;
    }
    if (got == 0) {
      break;
    }
    result->append(buffer, static_cast<size_t>(got));
    if (result->size() > kMaxYamlBytes) {
      result = absl::InvalidArgumentError(absl::StrCat(path, ": is larger than ", kMaxYamlBytes >> 20, " MiB"));
      break;
    }
  }
  close(fd);
  return result;
}

void LoadConfigFile(const std::optional<std::string>& given, const std::string& default_path, Message* out,
                    ConfigReport* report) {
  const std::string& path = given.has_value() ? *given : default_path;
  if (path.empty() && !given.has_value()) {
    return;  // no home, so no default file
  }
  const auto text = ReadConfigFile(path);
  if (!text.ok()) {
    if (given.has_value() || !absl::IsNotFound(text.status())) {
      report->MarkUnread();
      report->AddErrorAt({path, 0, 0}, absl::StripPrefix(text.status().message(), absl::StrCat(path, ": ")));
    }
    return;
  }
  LoadYaml(path, *text, out, report).IgnoreError();  // what is wrong is in the report
}

std::vector<std::string> ChangesThatNeedRestart(const Message& running, const Message& loaded) {
  std::vector<std::string> paths;
  CollectChanges(running, loaded, "", false, &paths);
  std::sort(paths.begin(), paths.end());
  return paths;
}

absl::Duration ToDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

}  // namespace ppmm
