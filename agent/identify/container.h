// What a container runtime's files on disk tell of a container: its name, its image, the compose service.
//
// Read are the state of Docker (/var/lib/docker), of podman (/var/lib/containers) and the OCI bundles of containerd
// (/run/containerd). A runtime that keeps its state elsewhere tells nothing; nothing is asked over its socket.
// Source: the OCI runtime specification, config.json, annotations; the image reference grammar of the distribution
// specification.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "agent/identify/host_root.h"

namespace ppmm {

struct Container {
  std::string id;
  std::string name;             // as the runtime calls it; empty: not told
  std::string image;            // the reference it was started from; empty: not told
  std::string compose_project;  // of compose's labels
  std::string compose_service;
  std::string pod_namespace;  // of the runtime's annotations for Kubernetes
  std::string pod_container;  // the container's name within the pod
  // Whether the image came from a registry: the runtime keeps a digest for what it fetched, none for what it built.
  std::optional<bool> fetched;
  std::vector<std::string> mounts;  // directories inside that come from outside of the image
  std::string told_by;              // the file that told it
};

// Nothing: no file tells of a container of that id (64 hexadecimal digits).
std::optional<Container> FindContainer(const HostRoot& root, absl::string_view id);

// An image reference in its parts: "registry.example.org:5000/team/shop:1.2@sha256:..." -> "registry.example.org:5000",
// "team/shop", "1.2". Without a registry that of Docker is meant, and a lone name is one of its official images.
struct ImageReference {
  std::string registry;  // empty: Docker's own
  std::string repository;
  std::string tag;
  bool official = false;
};
ImageReference ParseImage(absl::string_view reference);

}  // namespace ppmm
