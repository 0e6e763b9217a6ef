# Which Debian 12 packages each job needs, and how they are installed. Sourced by deploy/quickstart, tests/run, .ci/run.
# shellcheck shell=bash disable=SC2034 # the lists are for those who source this

PPMM_BUILD_PACKAGES="g++ cmake ninja-build ccache pkg-config git ca-certificates mold clang-14 llvm-14 bpftool
  libgrpc++-dev protobuf-compiler-grpc protobuf-compiler libprotobuf-dev libabsl-dev prometheus-cpp-dev libboost-dev
  libcurl4-openssl-dev libyaml-cpp-dev libcli11-dev libspdlog-dev nlohmann-json3-dev libsqlite3-dev libzstd-dev
  libbpf-dev libelf-dev zlib1g-dev libssl-dev"
PPMM_TEST_PACKAGES="libgtest-dev libgmock-dev nginx-light redis-server postgresql mariadb-server memcached haproxy php-fpm
  redis-tools nghttp2-client liburing-dev prometheus curl openssl sqlite3 iproute2 procps systemd shellcheck python3 python3-yaml"
PPMM_CHECK_PACKAGES="libclang-rt-14-dev clang-tidy-14 clang-format-14 lld"
# The emulated machine; the kernels themselves are fetched by tests/kernel, newest first.
PPMM_KERNEL_PACKAGES="qemu-system-x86 busybox-static cpio"

# ppmm_missing PACKAGE...: prints those that are not installed.
ppmm_missing() {
  local package
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || printf '%s ' "$package"
  done
}

# ppmm_install LABEL PACKAGE...: installs what is missing; says what it does. Fails with the command to type where it
# may not install.
ppmm_install() {
  local label=$1 missing sudo="" log policy=/usr/sbin/policy-rc.d made_policy="" result=0
  shift
  missing=$(ppmm_missing "$@")
  if [ -z "$missing" ]; then
    printf '  %-10s ok (already there)\n' "$label"
    return 0
  fi
  if [ "$(id -u)" != 0 ]; then
    sudo="sudo -n"
    if ! $sudo true 2>/dev/null; then
      printf 'missing packages; run this as root, then start again:\n  apt-get install -y --no-install-recommends %s\n' \
        "$missing" >&2
      return 77
    fi
  fi
  printf '  %-10s installing %s packages with apt-get ...\n' "$label" "$(printf '%s' "$missing" | wc -w)"
  log=$(mktemp)
  # A Debian service starts when it is installed; we only need the programs. policy-rc.d is Debian's way to say so.
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null && $sudo chmod 755 "$policy" && made_policy=1
  fi
  # shellcheck disable=SC2086 # a list of words on purpose
  $sudo apt-get update -q >"$log" 2>&1 &&
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      -o DPkg::Lock::Timeout=300 $missing >>"$log" 2>&1 || result=1
  [ -z "$made_policy" ] || $sudo rm -f "$policy"
  if [ $result != 0 ]; then
    tail -n 20 "$log" >&2
    printf 'installing packages failed; the whole log is in %s\n' "$log" >&2
    return 1
  fi
  rm -f "$log"
}
