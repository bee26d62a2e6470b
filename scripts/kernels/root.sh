#!/usr/bin/env bash
# Makes the files of a virtual machine for scripts/kernels.ts: `root.sh amd64 FOLDER`, or arm64 (the add-on is
# cross-compiled for it; the BPF object is the very same). Needs root, for packages, and npm run build before it.
# Downloads libraries the first time; they stay in .cache/kernels/machine.
set -euo pipefail
cd "$(dirname "$0")/../.."

arch=$1 root=$2
case $arch in
    amd64) triplet=x86_64-linux-gnu packages=(qemu-system-x86) ;;
    arm64) triplet=aarch64-linux-gnu packages=(qemu-system-arm g++-aarch64-linux-gnu) ;;
    *) echo "usage: root.sh amd64|arm64 FOLDER" >&2 && exit 1 ;;
esac
missing=()
for package in bpftool cpio xz-utils "${packages[@]}"; do
    status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null) || status=
    [[ $status == installed ]] || missing+=("$package")
done
if ((${#missing[@]} > 0)); then
    echo "Installing from Debian: ${missing[*]}" >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
fi

cache=$PWD/.cache/kernels/machine/$arch
mkdir -p "$cache"/{lists/partial,archives/partial}

# Packages of the other architecture come from lists of their own: the machine's package manager is left as it is.
apt=(apt-get -qq -o "APT::Architecture=$arch" -o "APT::Architectures=$arch" -o "Dir::State::lists=$cache/lists"
    -o "Dir::Cache=$cache" -o Dir::State::status=/dev/null -o APT::Sandbox::User=root)
if [[ ! -e $cache/unpacked ]]; then
    echo "Downloading Debian's libraries for $arch" >&2
    "${apt[@]}" update
    (cd "$cache" && "${apt[@]}" download busybox-static libbpf1 libbpf-dev libelf1 libelf-dev zlib1g \
        zlib1g-dev libc6 libstdc++6 libgcc-s1)
    for deb in "$cache"/*.deb; do
        dpkg -x "$deb" "$cache/system"
        rm "$deb"
    done
    touch "$cache/unpacked"
fi

mkdir -p "$root"/{app,bin,dev,etc,lib,proc,sys,tmp,usr/bin,usr/lib}
cp -a "$cache"/system/lib/. "$root/lib/"
[[ ! -d $cache/system/lib64 ]] || cp -a "$cache/system/lib64" "$root/"
mkdir -p "$root/usr/lib/$triplet"
cp -a "$cache/system/usr/lib/$triplet"/*.so* "$root/usr/lib/$triplet/"
cp "$cache/system/bin/busybox" "$root/bin/"
applets=(cat chmod cut date dmesg echo env grep insmod ip kill ls mkdir mount nc poweroff rm rmmod sed sh sleep tail touch tr true
    uname wget zcat)
for applet in "${applets[@]}"; do ln -s busybox "$root/bin/$applet"; done
cp dist/collector.js dist/package.json "$root/app/"
echo 'PRETTY_NAME="virtual machine"' >"$root/etc/os-release"
if [[ $arch == "$(dpkg --print-architecture)" ]]; then
    cp "$(readlink -f "$(command -v node)")" "$root/usr/bin/node"
    cp dist/collector.node dist/io.node dist/self-check dist/argument-reader "$root/app/"
else
    # The npm registry has Node's own binaries as packages.
    (cd "$cache" && npm pack --silent "node-linux-$arch@$(node -p process.versions.node)" >/dev/null &&
        tar -xzf node-linux-"$arch"-*.tgz --strip-components=2 -C "$root/usr/bin" package/bin/node)
    rm -rf "$cache/native" && cp -r native "$cache/native" && rm -rf "$cache/native/build"
    make -s -C "$cache/native" DIST="$root/app" NAPI_INCLUDE="$PWD/node_modules/node-addon-api" \
        NODE_INCLUDE="${NODE_INCLUDE-$(dirname "$(readlink -f "$(command -v node)")")/../include/node}" \
        CC="$triplet-gcc" CXX="$triplet-g++ -idirafter $cache/system/usr/include" \
        LDFLAGS="-L$cache/system/usr/lib/$triplet -Wl,-rpath-link,$cache/system/usr/lib/$triplet:$cache/system/lib/$triplet"
    for object in collector.bpf.o collector-5.8.bpf.o; do cmp "$cache/native/build/$object" "native/build/$object" >&2; done
fi
compiler=gcc
[[ $arch == "$(dpkg --print-architecture)" ]] || compiler=$triplet-gcc
"$compiler" -O2 -static -pthread -o "$root/app/workload" spec/workload/workload.c
"$compiler" -O2 -static -o "$root/app/blocker" spec/workload/blocker.c
"$compiler" -O2 -static -o "$root/app/verified" scripts/kernels/verified.c
"$compiler" -O2 -Wall -static -o "$root/app/stress" scripts/kernels/stress.c
cp scripts/kernels/stress.sh scripts/kernels/insertion.sh scripts/kernels/tracepoints.sh "$root/app/"
