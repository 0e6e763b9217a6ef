#!/bin/sh
# Makes a file system of Debian packages below DIRECTORY/root, with the files dpkg and apt would have left, and keeps it
# while the list of packages stays the same. Nothing is installed on this machine, and nothing of it is changed.
#
# usage: origin_cases_prepare.sh DIRECTORY FILE_OF_PACKAGES FILE_OF_PACKAGES_TO_RUN
#        The second list is taken with everything those packages depend on, so that their programs start.
# exit:  0 ready; 77 packages cannot be fetched here (the reason is printed)
set -eu
directory=$1
mkdir -p "$directory"
directory=$(cd "$directory" && pwd)
root=$directory/root

skip() {
  echo "skipped: $1"
  exit 77
}
for tool in apt-get apt-cache dpkg-deb; do
  command -v "$tool" > /dev/null || skip "$tool is missing"
done

# What apt would install for the second list on a machine without any package; what this machine has must not matter.
: > "$directory/no_packages"
bare="-o Dir::State::status=$directory/no_packages"
apt-get $bare install -s --no-install-recommends $(cat "$3") \
  > "$directory/plan" 2>&1 || skip "apt does not know the packages: $(grep -m1 '^E:' "$directory/plan" || true)"
{ cat "$2" && sed -n 's/^Inst \([^ :]*\).*/\1/p' "$directory/plan"; } | tr ' ' '\n' | sort -u > "$directory/packages"
apt-cache $bare show --no-all-versions $(cat "$directory/packages") > "$directory/Packages" 2> "$directory/apt_errors" ||
  skip "apt does not know the packages: $(head -1 "$directory/apt_errors")"

wanted=$(cat "$0" "$directory/Packages" | sha256sum)
[ "$(cat "$directory/ready" 2> /dev/null)" = "$wanted" ] && exit 0

mkdir -p "$directory/debs"
cd "$directory/debs"
for package in $(cat "$directory/packages"); do
  ls "${package}"_*.deb > /dev/null 2>&1 || echo "$package"
done > "$directory/missing"
if [ -s "$directory/missing" ]; then
  apt-get $bare -o APT::Sandbox::User="$(id -un)" -o Acquire::Retries=3 download $(cat "$directory/missing") \
    > "$directory/download" 2>&1 || skip "packages cannot be fetched: $(grep -m1 '^E:' "$directory/download" || true)"
fi

rm -rf "$root" "$directory/ready"
info=$root/var/lib/dpkg/info
mkdir -p "$info" "$root/var/lib/apt/lists" "$root/etc" "$root/tmp" "$root/dev" "$root/root"
for merged in bin sbin lib lib64; do
  mkdir -p "$root/usr/$merged"
  ln -s "usr/$merged" "$root/$merged"
done
for package in $(cat "$directory/packages"); do
  deb=$(ls "$directory/debs/${package}"_*.deb | head -1)
  dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$root" --keep-directory-symlink
  dpkg-deb --fsys-tarfile "$deb" | tar -t | sed -e 's/^\.//' -e 's,^/$,/.,' -e 's,\(.\)/$,\1,' > "$info/$package.list"
  rm -rf "$directory/control"
  dpkg-deb --control "$deb" "$directory/control"
  for kind in md5sums conffiles; do
    [ ! -f "$directory/control/$kind" ] || cp "$directory/control/$kind" "$info/$package.$kind"
  done
  { sed '1a Status: install ok installed' "$directory/control/control" && echo; } >> "$root/var/lib/dpkg/status"
done

lists=$root/var/lib/apt/lists
cp "$directory/Packages" "$lists/archive_debian_dists_stable_main_binary-amd64_Packages"
printf 'Origin: Debian\nLabel: Debian\nSuite: stable\n' > "$lists/archive_debian_dists_stable_InRelease"
printf 'ID=debian\nHOME_URL="https://www.debian.org/"\n' > "$root/etc/os-release"
printf 'root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n' > "$root/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' > "$root/etc/group"
# What maintainer scripts and update-alternatives would have made.
# Programs that are to run want these; without the right to make them they do not start.
mknod -m 666 "$root/dev/null" c 1 3 2> /dev/null || true
mknod -m 444 "$root/dev/urandom" c 1 9 2> /dev/null || true
[ -e "$root/bin/sh" ] || ln -s dash "$root/bin/sh"
echo "$wanted" > "$directory/ready"
