# shellcheck shell=bash
# Shared by the scripts of this folder, which source it after `set -euo pipefail`.

die() { echo "${0##*/}: $*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || die "must run as root"
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CLUSTER_DIR=${CLUSTER_DIR:-${TMPDIR:-/tmp}/collector-cluster}
mkdir -p "$CLUSTER_DIR/pids" "$CLUSTER_DIR/logs" "$CLUSTER_DIR/images" "$CLUSTER_DIR/bin"
CLUSTER_DIR=$(cd "$CLUSTER_DIR" && pwd -P)
export CLUSTER_DIR
case $CLUSTER_DIR in *[[:space:]:,\"]*) die "CLUSTER_DIR must not hold white space, quotes, ':' or ','" ;; esac
[ ${#CLUSTER_DIR} -le 60 ] || die "CLUSTER_DIR is longer than 60 characters: a unix socket's path could not be bound"

need() { # need PACKAGE...: installs the Debian packages that are missing
  local p missing=()
  for p; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing+=("$p")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  echo "installing ${missing[*]}" >&2
  local get=(env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}")
  "${get[@]}" >"$CLUSTER_DIR/logs/apt.log" 2>&1 ||
    { apt-get -qq update && "${get[@]}"; } >>"$CLUSTER_DIR/logs/apt.log" 2>&1 ||
    die "apt-get install failed: see $CLUSTER_DIR/logs/apt.log"
}

# Background processes: pids/NAME.pid holds the pid and its start time, so a recycled pid is never mistaken for ours.
start_time() { awk '{sub(/.*\) /, "")} $1 != "Z" {print $20}' "/proc/$1/stat" 2>/dev/null || true; } # nothing for a zombie
start() { # start NAME COMMAND...
  local name=$1; shift
  setsid "$@" >"$CLUSTER_DIR/logs/$name.log" 2>&1 </dev/null &
  echo "$! $(start_time $!)" >"$CLUSTER_DIR/pids/$name.pid"
}
alive() { # alive NAME
  local pid time
  [ -f "$CLUSTER_DIR/pids/$1.pid" ] && read -r pid time <"$CLUSTER_DIR/pids/$1.pid" && [ -n "$time" ] && [ "$(start_time "$pid")" = "$time" ]
}
stop() { # stop NAME: TERM, and KILL after 10 s
  local pid _ i=0
  if alive "$1"; then
    read -r pid _ <"$CLUSTER_DIR/pids/$1.pid"
    kill "$pid" || true
    while alive "$1" && [ $((i += 1)) -lt 100 ]; do sleep .1; done
    if alive "$1"; then kill -KILL "$pid" || true; fi
  fi
  rm -f "$CLUSTER_DIR/pids/$1.pid"
}
wait_for() { # wait_for SECONDS WHAT COMMAND...
  local end=$((SECONDS + $1)) t=$1 what=$2; shift 2
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || die "$what is not ready after $t s: see $CLUSTER_DIR/logs"
    sleep .3
  done
}
undo_on_failure() { undo=$HERE/$1; trap undo EXIT; } # undo_on_failure SCRIPT: runs it if this one fails
undo() {
  local rc=$?
  trap - EXIT
  [ $rc != 0 ] || return 0
  echo "${0##*/}: failed, undoing; logs in $CLUSTER_DIR/logs" >&2
  "$undo"
  exit $rc
}

containerd_config() { # containerd_config FILE ROOT STATE CNI_DIR; the socket is STATE/containerd.sock
  cat >"$1" <<T
version = 2
root = "$2"
state = "$3"
[grpc]
  address = "$3/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "$2/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:cluster"
  restrict_oom_score_adj = true  # without CAP_SYS_RESOURCE nothing may lower its oom_score_adj
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$4"
T
}
cni_config() { # cni_config DIR BRIDGE SUBNET
  mkdir -p "$1"
  cat >"$1/10-cluster.conflist" <<T
{"cniVersion": "0.4.0", "name": "$2", "plugins": [{"type": "bridge", "bridge": "$2", "isGateway": true, "hairpinMode": true, "ipMasq": false,
  "ipam": {"type": "host-local", "subnet": "$3", "dataDir": "$1/ipam", "routes": [{"dst": "0.0.0.0/0"}]}}]}
T
}

base_images() { # makes images/pause.tar (localhost/pause:cluster) and images/busybox.tar (localhost/busybox:cluster)
  local d=$CLUSTER_DIR/images applet
  if [ -f "$d/pause.tar" ] && [ -f "$d/busybox.tar" ]; then return; fi
  need busybox-static gcc libc6-dev
  rm -rf "$d/pause" "$d/busybox"
  mkdir -p "$d/pause" "$d"/busybox/{bin,dev,etc,proc,run,sys,tmp,www}
  gcc -static -Os -s -o "$d/pause/pause" -x c - <<'T'
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
static void down(int s) { (void)s; _exit(0); }
static void reap(int s) { (void)s; while (waitpid(-1, 0, WNOHANG) > 0) ; }
int main(void) { signal(SIGINT, down); signal(SIGTERM, down); signal(SIGCHLD, reap); for (;;) pause(); }
T
  cp /bin/busybox "$d/busybox/bin/busybox"
  for applet in $(busybox --list); do
    [ "$applet" = busybox ] || ln -s busybox "$d/busybox/bin/$applet"
  done
  echo 'root:x:0:0:root:/:/bin/sh' >"$d/busybox/etc/passwd"
  echo cluster >"$d/busybox/www/index.html"
  "$HERE/archive.sh" "$d/pause" localhost/pause:cluster "$d/pause.tar" '{"Entrypoint": ["/pause"]}'
  "$HERE/archive.sh" "$d/busybox" localhost/busybox:cluster "$d/busybox.tar" \
    '{"Env": ["PATH=/bin"], "Cmd": ["httpd", "-f", "-p", "0.0.0.0:8080", "-h", "/www"]}'
  rm -rf "$d/pause" "$d/busybox"
}
import_images() { # import_images SOCKET TAR...
  local sock=$1 tar; shift
  for tar; do ctr -a "$sock" -n k8s.io images import "$tar" >/dev/null || die "cannot import $tar"; done
}

reap() { # reap STATE_DIR RUNC_ROOT ADDRESS: ends the shims and containers that outlived the containerd with this state and address
  local bundle id ns p
  for bundle in "$1"/io.containerd.runtime.v2.task/*/*; do
    [ -d "$bundle" ] || continue
    id=$(basename "$bundle") ns=$(basename "$(dirname "$bundle")")
    for p in /proc/[0-9]*; do
      if { tr '\0' ' ' <"$p/cmdline"; } 2>/dev/null | grep -q -- "-shim.* -namespace $ns -id $id -address $3 "; then kill -KILL "${p#/proc/}" || true; fi
    done
    [ ! -f "$bundle/address" ] || rm -f "$(sed 's#^unix://##' "$bundle/address")"
    runc --root "$2/$ns" delete --force "$id" 2>/dev/null || true
    rm -f /run/containerd/fifo/*/"$id"-* /var/lib/cni/results/*-"$id"-*
  done
}
cgroup_mounts() { awk '$3 ~ /^cgroup2?$/ {print $2}' /proc/mounts; }
remove_cgroups() { # remove_cgroups NAME...: the empty cgroups below and with these names, in every hierarchy
  local m c i
  for m in $(cgroup_mounts); do
    for c; do
      for i in 1 2 3 4 5; do # a cgroup stays busy for a moment after its last process
        [ -d "$m/$c" ] || break
        find "$m/$c" -depth -type d -exec rmdir {} + 2>/dev/null || sleep ".$i"
      done
    done
  done
}
unmount_below() { # unmount_below DIR
  awk -v d="$1/" 'index($2, d) == 1 {print $2}' /proc/mounts | sort -r | while read -r m; do umount "$m" || umount -l "$m"; done
}
remove_runtime_dirs() { # the fixed paths of shims and CNI plugins, where they are empty
  local d
  for d in /run/containerd/{fifo/*,fifo,s,runc/k8s.io,runc/default,runc,} /var/lib/cni/{results,}; do rmdir "$d" 2>/dev/null || true; done
}
