#include "agent/identify/container.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "agent/identify/package_supplier.h"
#include <nlohmann/json.hpp>

namespace ppmm {
namespace {

constexpr size_t kMaxState = size_t{4} << 20;  // bytes of one file
constexpr size_t kMaxStateText = 256;
constexpr size_t kMaxMounts = 64;

using Json = nlohmann::json;

Json ReadState(const HostRoot& root, absl::string_view path) {
  const auto text = root.Read(path, kMaxState);
  return text.ok() ? Json::parse(*text, nullptr, /*allow_exceptions=*/false) : Json(Json::value_t::discarded);
}

// The member `key`, or null.
const Json& Member(const Json& object, absl::string_view key) {
  static const auto& null = *new Json();
  if (!object.is_object()) {
    return null;
  }
  const auto it = object.find(std::string(key));
  return it == object.end() ? null : *it;
}

std::string Text(const Json& value) {
  std::string out = value.is_string() ? value.get_ref<const std::string&>().substr(0, kMaxStateText) : std::string();
  out.erase(std::remove_if(out.begin(), out.end(), [](char c) { return c <= ' ' || c > '~'; }), out.end());
  return out;
}

void TakeComposeLabels(const Json& labels, Container& container) {
  // The specification's labels, and those of podman's implementation.
  container.compose_project = Text(Member(labels, "com.docker.compose.project"));
  container.compose_service = Text(Member(labels, "com.docker.compose.service"));
  if (container.compose_project.empty()) {
    container.compose_project = Text(Member(labels, "io.podman.compose.project"));
    container.compose_service = Text(Member(labels, "io.podman.compose.service"));
  }
}

std::optional<Container> FindDocker(const HostRoot& root, const std::string& id) {
  Container container;
  container.id = id;
  container.told_by = absl::StrCat("/var/lib/docker/containers/", id, "/config.v2.json");
  const Json state = ReadState(root, container.told_by);
  if (!state.is_object()) {
    return std::nullopt;
  }
  container.name = Text(Member(state, "Name"));
  if (absl::StartsWith(container.name, "/")) {
    container.name.erase(0, 1);
  }
  const Json& config = Member(state, "Config");
  container.image = Text(Member(config, "Image"));
  TakeComposeLabels(Member(config, "Labels"), container);
  if (const Json& mounts = Member(state, "MountPoints"); mounts.is_object()) {
    for (const auto& [destination, mount] : mounts.items()) {
      if (container.mounts.size() < kMaxMounts && destination.size() > 1) {
        container.mounts.push_back(destination);
      }
    }
  }
  const std::string image_id = Text(Member(state, "Image"));
  for (const std::string& driver : root.List("/var/lib/docker/image", 16)) {
    const Json images = ReadState(root, absl::StrCat("/var/lib/docker/image/", driver, "/repositories.json"));
    const Json& repositories = Member(images, "Repositories");
    if (!repositories.is_object()) {
      continue;
    }
    for (const auto& [repository, references] : repositories.items()) {
      if (!references.is_object()) {
        continue;
      }
      for (const auto& [reference, target] : references.items()) {
        if (Text(target) == image_id && !image_id.empty()) {
          container.fetched = container.fetched.value_or(false) || absl::StrContains(reference, "@sha256:");
        }
      }
    }
  }
  return container;
}

std::optional<Container> FindPodman(const HostRoot& root, const std::string& id) {
  constexpr absl::string_view kFile = "/var/lib/containers/storage/overlay-containers/containers.json";
  const Json all = ReadState(root, kFile);
  if (!all.is_array()) {
    return std::nullopt;
  }
  for (const Json& one : all) {
    if (Text(Member(one, "id")) != id) {
      continue;
    }
    Container container;
    container.id = id;
    container.told_by = std::string(kFile);
    if (const Json& names = Member(one, "names"); names.is_array() && !names.empty()) {
      container.name = Text(names[0]);
    }
    // The metadata is JSON within a string.
    const Json& metadata_text = Member(one, "metadata");
    if (metadata_text.is_string()) {
      const Json metadata = Json::parse(metadata_text.get_ref<const std::string&>(), nullptr, false);
      container.image = Text(Member(metadata, "image-name"));
    }
    return container;
  }
  return std::nullopt;
}

std::optional<Container> FindBundle(const HostRoot& root, const std::string& id) {
  constexpr absl::string_view kTasks = "/run/containerd/io.containerd.runtime.v2.task";
  for (const std::string& group : root.List(kTasks, 64)) {
    Container container;
    container.id = id;
    container.told_by = absl::StrCat(kTasks, "/", group, "/", id, "/config.json");
    const Json bundle = ReadState(root, container.told_by);
    if (!bundle.is_object()) {
      continue;
    }
    const Json& annotations = Member(bundle, "annotations");
    container.pod_container = Text(Member(annotations, "io.kubernetes.cri.container-name"));
    container.pod_namespace = Text(Member(annotations, "io.kubernetes.cri.sandbox-namespace"));
    container.image = Text(Member(annotations, "io.kubernetes.cri.image-name"));
    container.name = Text(Member(annotations, "nerdctl/name"));
    if (container.name.empty()) {
      container.name = container.pod_container;
    }
    return container;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Container> FindContainer(const HostRoot& root, absl::string_view id) {
  const std::string name(id);
  const bool is_hex = name.size() == 64 && name.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!is_hex) {
    return std::nullopt;
  }
  for (const auto& find : {FindDocker, FindPodman, FindBundle}) {
    if (auto container = find(root, name)) {
      return container;
    }
  }
  return std::nullopt;
}

ImageReference ParseImage(absl::string_view reference) {
  ImageReference image;
  reference = reference.substr(0, reference.find('@'));
  // A registry has a dot, a port, or is "localhost"; else the first part belongs to the repository.
  if (const size_t slash = reference.find('/'); slash != absl::string_view::npos) {
    const absl::string_view first = reference.substr(0, slash);
    if (absl::StrContains(first, '.') || absl::StrContains(first, ':') || first == "localhost") {
      image.registry = first == "docker.io" || first == "index.docker.io" ? "" : std::string(first);
      reference.remove_prefix(slash + 1);
    }
  }
  if (const size_t colon = reference.rfind(':'); colon != absl::string_view::npos) {
    image.tag = std::string(reference.substr(colon + 1));
    reference = reference.substr(0, colon);
  }
  if (image.registry.empty()) {
    absl::ConsumePrefix(&reference, "library/");
    image.official = !reference.empty() && !absl::StrContains(reference, '/');
  }
  image.repository = std::string(reference);
  return image;
}

}  // namespace ppmm
