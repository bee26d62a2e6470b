#!/usr/bin/env bash
# Builds Kubernetes 1.20.2 (apiserver, controller-manager, scheduler, kubelet, kube-proxy) from Debian's source package
# with Debian's Go, into $CLUSTER_DIR/kubernetes. Does nothing if the binaries are there.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
bin=$CLUSTER_DIR/kubernetes work=$CLUSTER_DIR/kube/build
parts=(kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy)
missing() { for p in "${parts[@]}"; do [ -x "$bin/$p" ] || return 0; done; return 1; }
missing || { echo "$bin: up to date" >&2; exit 0; }

need golang-go dpkg-dev rsync jq make git golang-github-{modern-go-reflect2,modern-go-concurrent,json-iterator-go}-dev
rm -rf "$work"; mkdir -p "$work"/{sources,lists/partial,cache/archives/partial,home}
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"

# the host's own Debian sources as deb-src; lists and cache of their own, so that apt's state is not touched
for f in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
  case $f in
    *.list) [ ! -f "$f" ] || sed -n 's/^deb /deb-src /p' "$f" >"sources/$(basename "$f")" ;;
    *.sources) if grep -q debian-archive "$f"; then sed 's/^Types:.*/Types: deb-src/' "$f" >"sources/$(basename "$f")"; fi ;;
  esac
done
apt=(apt-get -qq -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$work/sources" -o "Dir::State::lists=$work/lists"
  -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root)
"${apt[@]}" update
"${apt[@]}" source --download-only kubernetes
dpkg-source -x --no-check kubernetes_1.20*.dsc src >/dev/null
cd src

# the vendored reflect2 1.0.1 corrupts memory when built with Go >= 1.18
# ("unexpected fault address" in reflect2.UnsafeIterate)
for p in github.com/modern-go/reflect2 github.com/json-iterator/go; do
  rm -rf "vendor/$p"
  cp -rL "/usr/share/gocode/src/$p" "vendor/$p"
done
cat >"$work/version" <<T
KUBE_GIT_COMMIT='debian'
KUBE_GIT_TREE_STATE='clean'
KUBE_GIT_VERSION='v1.20.2'
KUBE_GIT_MAJOR='1'
KUBE_GIT_MINOR='20'
T
export GOPATH=$PWD/.go CGO_ENABLED=0 HOME=$work/home GO111MODULE=off GOFLAGS='' KUBE_GIT_VERSION_FILE=$work/version PATH=/usr/lib/go/bin:$PATH
mkdir -p .go/src/k8s.io
ln -sfn ../../.. .go/src/k8s.io/kubernetes
cd .go/src/k8s.io/kubernetes
make WHAT="${parts[*]/#/cmd/}" >"$CLUSTER_DIR/logs/kubernetes.log" 2>&1 || die "make failed: see $CLUSTER_DIR/logs/kubernetes.log"
install -d "$bin"
for p in "${parts[@]}"; do install -s "_output/local/go/bin/$p" "$bin/"; done
