#!/usr/bin/env bash
# Runs the built Collector on Debian's own kernel in a virtual machine without acceleration, and checks what it sees of a
# container there: `scripts/other-kernel.sh amd64` (cgroup v2 alone, unlike many a build machine) or `arm64` (the add-on
# is cross-compiled for it; the BPF object is the very same). Needs root, for packages, and npm run build before it.
# Takes about a minute, and 150 MB of downloads the first time; they stay in .cache/other-kernel.
set -euo pipefail
cd "$(dirname "$0")/.."

arch=${1-amd64}
case $arch in
    amd64) triplet=x86_64-linux-gnu console=ttyS0 machine=(qemu-system-x86_64) packages=(qemu-system-x86) ;;
    arm64) triplet=aarch64-linux-gnu console=ttyAMA0 machine=(qemu-system-aarch64 -M virt) packages=(qemu-system-arm g++-aarch64-linux-gnu) ;;
    *) echo "usage: other-kernel.sh [amd64|arm64]" >&2 && exit 1 ;;
esac
missing=()
for package in cpio "${packages[@]}"; do
    dpkg-query --show "$package" >/dev/null 2>&1 || missing+=("$package")
done
if ((${#missing[@]} > 0)); then
    echo "Installing from Debian: ${missing[*]}" >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
fi

cache=$PWD/.cache/other-kernel/$arch
root=$cache/root
mkdir -p "$cache"/{lists/partial,archives/partial}

# Packages of the other architecture come from lists of their own: the machine's package manager is left as it is.
apt=(apt-get -qq -o "APT::Architecture=$arch" -o "APT::Architectures=$arch" -o "Dir::State::lists=$cache/lists"
    -o "Dir::Cache=$cache" -o Dir::State::status=/dev/null -o APT::Sandbox::User=root)
if [[ ! -e $cache/unpacked ]]; then
    echo "Downloading Debian's kernel and libraries for $arch" >&2
    "${apt[@]}" update
    kernel=$(apt-cache "${apt[@]:2}" depends "linux-image-$arch" | grep -om1 'linux-image-[0-9][^ ]*')
    (cd "$cache" && "${apt[@]}" download "$kernel" busybox-static libbpf1 libbpf-dev libelf1 libelf-dev zlib1g \
        zlib1g-dev libc6 libstdc++6 libgcc-s1)
    for deb in "$cache"/*.deb; do
        case $deb in
            */linux-image*) dpkg -x "$deb" "$cache/kernel" ;;
            *) dpkg -x "$deb" "$cache/system" ;;
        esac
        rm "$deb"
    done
    touch "$cache/unpacked"
fi

rm -rf "$root"
mkdir -p "$root"/{app,bin,dev,etc,lib,proc,sys,tmp,usr/bin,usr/lib}
cp -a "$cache"/system/lib/. "$root/lib/"
[[ ! -d $cache/system/lib64 ]] || cp -a "$cache/system/lib64" "$root/"
mkdir -p "$root/usr/lib/$triplet"
cp -a "$cache/system/usr/lib/$triplet"/*.so* "$root/usr/lib/$triplet/"
cp "$cache/system/bin/busybox" "$root/bin/"
for applet in cat echo grep ip kill ls mkdir mount nc poweroff sh sleep uname; do ln -s busybox "$root/bin/$applet"; done
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
    cmp "$cache/native/build/collector.bpf.o" native/build/collector.bpf.o && echo "The BPF object is the same for $arch."
fi

cat >"$root/init" <<'INIT'
#!/bin/sh
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mount -t tmpfs none /tmp
mount -t cgroup2 none /sys/fs/cgroup
ip link set lo up
ip addr add 10.9.9.9/32 dev lo
container=/sys/fs/cgroup/docker/4f2a91bc03de5b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e
mkdir -p $container
(echo 0 >$container/cgroup.procs; exec nc -ll -p 8080 -e /bin/echo hello) &
node /app/collector.js --format=compact >/tmp/out 2>/tmp/log &
collector=$!
i=0
until grep -q 'loaded into kernel' /tmp/log || [ $i -ge 60 ]; do sleep 1; i=$((i + 1)); done
sleep 1
(echo 0 >$container/cgroup.procs; nc 10.9.9.9 8080 </dev/null; :)
sleep 2
kill -TERM $collector
wait $collector
echo "exit code $?"
cat /tmp/log /tmp/out
poweroff -f
INIT
chmod +x "$root/init"
(cd "$root" && find . | cpio --quiet -o -H newc | gzip -1) >"$cache/initrd.gz"

timeout 300 "${machine[@]}" -cpu max -smp 2 -m 2048 -nographic -no-reboot -net none \
    -kernel "$cache"/kernel/boot/vmlinuz-* -initrd "$cache/initrd.gz" -append "console=$console quiet panic=-1" |
    tr -d '\r' | tee "$cache/console.log"

for expected in '^exit code 0$' '4f2a91bc03de .* exec .*/bin/busybox 10.9.9.9 8080' \
    '4f2a91bc03de .* connect nc 10.9.9.9:[0-9]* → 10.9.9.9:8080' \
    '4f2a91bc03de .* accept  nc \[::ffff:10.9.9.9]:8080 ←' '4f2a91bc03de .* close .* → 10.9.9.9:8080 '; do
    grep -q -- "$expected" "$cache/console.log" || { echo "Not seen: $expected" >&2 && exit 1; }
done
echo "Collector works on $(grep -om1 'Kernel Version: .*' "$cache/console.log")."
