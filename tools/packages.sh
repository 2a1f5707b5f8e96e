#!/bin/sh
# Install the Debian packages that a local mesh needs, those that are missing only, and others given as
# PROGRAM:PACKAGE.
set -eu
missing=""
for pair in iptables:iptables nft:nftables ip:iproute2 "$@"; do
    PATH="$PATH:/usr/sbin:/sbin" command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair#*:}"
done
[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null; then
    echo "Missing programs; please install:$missing" >&2
    exit 1
fi
sudo=""
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "Installing$missing needs root: run this as root, or install sudo" >&2; exit 1; }
    sudo="sudo"
fi
echo "Installing Debian packages:$missing"
$sudo apt-get update -qq
# shellcheck disable=SC2086
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
