#!/bin/sh
# Compiles a program from the upstream source of a Debian source package and keeps the result.
#
# usage: origin_cases_compile.sh DIRECTORY SOURCE COMMAND BINARY
#        COMMAND is run in the unpacked source, BINARY is what it makes there; the result is DIRECTORY/compiled/SOURCE
# exit:  0 ready; 77 the source cannot be fetched here (the reason is printed)
set -eu
mkdir -p "$1/compiled" "$1/sources/lists/partial" "$1/sources/cache"
directory=$(cd "$1" && pwd)
result=$directory/compiled/$2
[ -x "$result" ] && exit 0

. /etc/os-release
here=$directory/sources
# Sources lie beside the packages that this machine is installed from.
archive=$(apt-cache policy base-files | awk '$2 ~ "://" && $2 !~ "security" {print $2; exit}')
[ -n "$archive" ] || {
  echo "skipped: apt knows no archive of this machine's packages"
  exit 77
}
echo "deb-src $archive ${VERSION_CODENAME:-stable} main" > "$here/sources.list"
apt="apt-get -o Dir::Etc::sourcelist=$here/sources.list -o Dir::Etc::sourceparts=/dev/null"
apt="$apt -o Dir::State::lists=$here/lists -o Dir::Cache=$here/cache -o APT::Sandbox::User=$(id -un)"
ls "$here"/lists/*Sources* > /dev/null 2>&1 || $apt update > "$here/update" 2>&1 || {
  echo "skipped: the list of sources cannot be fetched"
  exit 77
}
cd "$here"
rm -rf "$2" && mkdir "$2" && cd "$2"
$apt source --download-only --tar-only "$2" > "$here/fetch" 2>&1 || true
set -- "$directory" "$2" "$3" "$4" *.orig.tar.*
[ -f "$5" ] || {
  echo "skipped: the source of $2 cannot be fetched: $(grep -m1 '^E:' "$here/fetch" || true)"
  exit 77
}
tar -x --strip-components=1 -f "$5"
sh -c "$3" > "$here/$2.log" 2>&1
cp "$4" "$result"
