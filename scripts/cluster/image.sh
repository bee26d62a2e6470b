#!/usr/bin/env bash
# Builds Collector's image and that of the Sensor double with buildah, and imports them into what is up of the cluster.
# No registry is asked: a stand-in for the Dockerfile's base is made of Debian's packages and this machine's Node.
# usage: image.sh TAG
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
[ $# = 1 ] || { sed -n 4p "$0" >&2; exit 2; }
need buildah mmdebstrap ca-certificates
store=(buildah --root "$CLUSTER_DIR/buildah/root" --runroot "$CLUSTER_DIR/buildah/run" --storage-driver overlay)
version=$(node -p 'process.versions.node.split(".")[0]')
base=localhost/node:$version-bookworm-slim

make_base() {
  local node npm work
  node=$(readlink -f "$(command -v node)") npm=$(npm root -g 2>/dev/null)/npm
  [ -f "$npm/bin/npm-cli.js" ] || die "no npm in $npm"
  work=$(mktemp -d "$CLUSTER_DIR/base.XXXXXX")
  trap 'rm -rf --one-file-system "$work"' RETURN
  mmdebstrap --quiet --mode=root --variant=minbase --include=ca-certificates --aptopt='APT::Sandbox::User "root"' \
    --dpkgopt=force-unsafe-io bookworm "$work/root" >"$CLUSTER_DIR/logs/mmdebstrap.log" 2>&1 || die "mmdebstrap failed: see $CLUSTER_DIR/logs/mmdebstrap.log"
  mkdir -p "$work/root/usr/local/lib/node_modules" "$work/root/usr/local/include"
  cp "$node" "$work/root/usr/local/bin/node"
  cp -rL "$(dirname "$node")/../include/node" "$work/root/usr/local/include/node"
  cp -r "$npm" "$work/root/usr/local/lib/node_modules/npm"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$work/root/usr/local/bin/npm"
  ln -s ../lib/node_modules/npm/bin/npx-cli.js "$work/root/usr/local/bin/npx"
  "$HERE/archive.sh" "$work/root" "$base" "$work/base.tar" '{"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}'
  "${store[@]}" pull -q "docker-archive:$work/base.tar" >/dev/null
}

build() { # build TAG OPTION... FOLDER
  local tag=$1 tar c; shift
  # The settings of this machine for apt and npm are mounted for the build only: the image does not know them. The docker
  # format keeps HEALTHCHECK; chroot isolation needs no runtime.
  "${store[@]}" build --isolation chroot --network host --pull-never --format docker --layers --timestamp 0 \
    -v /etc/apt:/etc/apt:ro -v /usr/share/keyrings:/usr/share/keyrings:ro -v /etc/ssl/certs:/etc/ssl/certs:ro \
    -v "$CLUSTER_DIR/npmrc:/usr/local/etc/npmrc:ro" --build-arg "NODE_VERSION=$version" -t "$tag" "$@" >"$CLUSTER_DIR/logs/image.log" 2>&1 ||
    { tail -n 30 "$CLUSTER_DIR/logs/image.log" >&2; die "the image does not build: see $CLUSTER_DIR/logs/image.log"; }
  tar=$CLUSTER_DIR/images/${tag//[\/:]/_}.tar
  rm -f "$tar"
  "${store[@]}" push -q "$tag" "docker-archive:$tar:$tag"
  for c in node1 node2; do
    if alive "$c-containerd"; then import_images "$CLUSTER_DIR/nodes/$c/run/containerd.sock" "$tar"; fi
  done
}

"${store[@]}" images -q "$base" >/dev/null 2>&1 || make_base
{ echo "registry=$(npm config get registry 2>/dev/null)"; echo cafile=/etc/ssl/certs/ca-certificates.crt; } >"$CLUSTER_DIR/npmrc"
build "collector:$1" "$HERE/../.."

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
