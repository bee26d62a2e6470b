#!/usr/bin/env bash
# Installs what a fresh clone on Debian lacks: `setup.sh build`, `setup.sh test`, `setup.sh lint`; all of it without
# an argument; any others with `setup.sh packages NAME…`. Says nothing when nothing is missing. npm itself may not have
# run yet, so this needs only bash.
set -euo pipefail
cd "$(dirname "$0")/.."

build=(clang g++ libbpf-dev make)
test=("${build[@]}" bpftool chromium-headless-shell containerd containernetworking-plugins curl fonts-dejavu-core golang-go iproute2 nftables openssl podman prometheus runc tmux)
lint=(clang-format shellcheck)

case ${1-all} in
    build) wanted=("${build[@]}") ;;
    test) wanted=("${test[@]}") ;;
    lint) wanted=("${lint[@]}") ;;
    all) wanted=("${test[@]}" "${lint[@]}") ;;
    packages) wanted=("${@:2}") ;;
    *) echo "usage: setup.sh [build|test|lint|packages NAME...]" >&2 && exit 1 ;;
esac

# Runs a command whose output matters only when it fails.
quietly() {
    local log
    log=$(mktemp)
    if ! "$@" >"$log" 2>&1; then
        cat "$log" >&2
        echo "Failed: $*" >&2
        rm "$log"
        return 1
    fi
    rm "$log"
}

version=$(node --version)
IFS=. read -r major minor _ <<<"${version#v}"
if ((major < 20 || (major == 20 && minor < 19) || major > 24)); then
    echo "Collector needs Node 20.19 to 24, and this is $version ($(command -v node))." >&2
    exit 1
fi

missing=()
for package in "${wanted[@]}"; do
    # A package that was removed is still known to dpkg, but not "installed".
    status=$(dpkg-query --show --showformat='${db:Status-Status}\n' "$package" 2>/dev/null) || true
    [[ $status == installed* ]] || missing+=("$package")
done

if ((${#missing[@]} > 0)); then
    if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
        echo "Collector needs Debian packages that this machine does not have. Install them, or what they are called here:" >&2
        echo "  sudo apt-get install -y ${missing[*]}" >&2
        exit 1
    fi
    install=(apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 "${missing[@]}")
    export DEBIAN_FRONTEND=noninteractive
    # Packages with a daemon, such as prometheus, are wanted for their programs: it must not start, and take :9090.
    if [[ ! -e /usr/sbin/policy-rc.d ]]; then
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod +x /usr/sbin/policy-rc.d
    fi
    echo "Installing from Debian: ${missing[*]}" >&2
    # Package lists that are absent or too old make the first attempt fail at once.
    if ! "${install[@]}" >/dev/null 2>&1; then
        quietly apt-get update
        quietly "${install[@]}"
    fi
fi

[[ ${1-} != packages ]] || exit 0

# npm writes its own copy of the lock file last, so that one is a stamp of the whole installation.
if [[ ! -e node_modules/.package-lock.json || package-lock.json -nt node_modules/.package-lock.json ]]; then
    echo "Installing from npm: the packages of package-lock.json" >&2
    quietly npm ci --include=dev --no-audit --no-fund
fi
