#!/usr/bin/env bash
# Builds Collector's image and that of the Sensor double with buildah, and imports them into what is up of the cluster.
# No registry is asked: a stand-in for the Dockerfile's base is made of Debian's packages and this machine's Node. With
# another architecture than the machine's, Collector's image alone is built, emulated by qemu, and nothing is imported.
# usage: image.sh TAG [amd64|arm64]
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
machine=$(dpkg --print-architecture)
arch=${2-$machine}
case $#-$arch in 1-*|2-amd64|2-arm64) ;; *) sed -n 5p "$0" >&2; exit 2 ;; esac
need buildah mmdebstrap ca-certificates
folder=$CLUSTER_DIR/buildah
if [ "$arch" != "$machine" ]; then
  folder+=-$arch
  need arch-test qemu-user-static binfmt-support
  if ! arch-test "$arch" >/dev/null; then
    mountpoint -q /proc/sys/fs/binfmt_misc || mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
    update-binfmts --enable >/dev/null
    arch-test "$arch" >/dev/null || die "this kernel does not run programs of $arch, not even with qemu-user-static: is CONFIG_BINFMT_MISC there?"
  fi
fi
store=(buildah --root "$folder/root" --runroot "$folder/run" --storage-driver overlay)
version=$(node -p 'process.versions.node.split(".")[0]')
base=localhost/node:$version-bookworm-slim

make_base() {
  local node npm work
  node=$(readlink -f "$(command -v node)") npm=$(npm root -g 2>/dev/null)/npm
  [ -f "$npm/bin/npm-cli.js" ] || die "no npm in $npm"
  work=$(mktemp -d "$CLUSTER_DIR/base.XXXXXX")
  trap 'rm -rf --one-file-system "$work"' RETURN
  mmdebstrap --quiet --mode=root --architectures="$arch" --variant=minbase --include=ca-certificates --aptopt='APT::Sandbox::User "root"' \
    --dpkgopt=force-unsafe-io bookworm "$work/root" >"$CLUSTER_DIR/logs/mmdebstrap.log" 2>&1 || die "mmdebstrap failed: see $CLUSTER_DIR/logs/mmdebstrap.log"
  mkdir -p "$work/root/usr/local/lib/node_modules" "$work/root/usr/local/include"
  if [ "$arch" = "$machine" ]; then cp "$node" "$work/root/usr/local/bin/node"
  else # the npm registry has Node's own binaries as packages
    (cd "$work" && npm pack --silent "node-linux-$arch@$(node -p process.versions.node)" >/dev/null &&
      tar -xzf node-linux-"$arch"-*.tgz --strip-components=2 -C "$work/root/usr/local/bin" package/bin/node) ||
      die "npm has no package node-linux-$arch with the binary of Node $(node -p process.versions.node)"
  fi
  cp -rL "$(dirname "$node")/../include/node" "$work/root/usr/local/include/node"
  cp -r "$npm" "$work/root/usr/local/lib/node_modules/npm"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$work/root/usr/local/bin/npm"
  ln -s ../lib/node_modules/npm/bin/npx-cli.js "$work/root/usr/local/bin/npx"
  "$HERE/archive.sh" "$work/root" "$base" "$work/base.tar" '{"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}' "$arch"
  "${store[@]}" pull -q "docker-archive:$work/base.tar" >/dev/null
}

build() { # build TAG OPTION... FOLDER
  local tag=$1 tar c; shift
  # The settings of this machine for apt and npm are mounted for the build only: the image does not know them. The
  # docker format keeps HEALTHCHECK; chroot isolation needs no runtime.
  "${store[@]}" build --isolation chroot --network host --pull-never --format docker --arch "$arch" --layers --timestamp 0 \
    -v /etc/apt:/etc/apt:ro -v /usr/share/keyrings:/usr/share/keyrings:ro -v /etc/ssl/certs:/etc/ssl/certs:ro \
    -v "$CLUSTER_DIR/npmrc:/usr/local/etc/npmrc:ro" --build-arg "NODE_VERSION=$version" -t "$tag" "$@" >"$CLUSTER_DIR/logs/image.log" 2>&1 ||
    { tail -n 30 "$CLUSTER_DIR/logs/image.log" >&2; die "the image does not build: see $CLUSTER_DIR/logs/image.log"; }
  tar=$CLUSTER_DIR/images/${tag//[\/:]/_}.tar
  [ "$arch" = "$machine" ] || tar=${tar%.tar}_$arch.tar
  rm -f "$tar"
  "${store[@]}" push -q "$tag" "docker-archive:$tar:$tag"
  for c in node1 node2; do
    if [ "$arch" = "$machine" ] && alive "$c-containerd"; then import_images "$CLUSTER_DIR/nodes/$c/run/containerd.sock" "$tar"; fi
  done
}

"${store[@]}" images -q "$base" >/dev/null 2>&1 || make_base
{ echo "registry=$(npm config get registry 2>/dev/null)"; echo cafile=/etc/ssl/certs/ca-certificates.crt; } >"$CLUSTER_DIR/npmrc"
build "collector:$1" "$HERE/../.."
[ "$arch" = "$machine" ] || exit 0

# The double runs without any right, so it can't have Collector's node, which asks for some.
double=$(mktemp -d "$CLUSTER_DIR/double.XXXXXX")
trap 'rm -rf "$double"' EXIT
(cd "$HERE/../.." && node_modules/.bin/esbuild scripts/sensor.ts --bundle --platform=node --format=esm --outfile="$double/sensor.mjs" --log-level=error \
  --banner:js="import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);")

mkdir "$double/proto"
cp "$HERE"/../../proto/*.proto "$double/proto"
# shellcheck disable=SC2016 # buildah expands it
printf 'ARG NODE_VERSION\nFROM node:${NODE_VERSION}-bookworm-slim\nCOPY sensor.mjs /\nCOPY proto /proto\nUSER 65532:65532\nENTRYPOINT ["node", "/sensor.mjs"]\n' >"$double/Dockerfile"
build sensor-double:1 "$double"
