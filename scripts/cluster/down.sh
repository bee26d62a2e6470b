#!/usr/bin/env bash
# Stops what up.sh started, pods included, and removes its state; keeps the binaries in $CLUSTER_DIR/kubernetes.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
K=$CLUSTER_DIR/nodes
mkdir -p "$K"

for n in node1 node2; do stop "$n-proxy"; stop "$n-kubelet"; done   # first, or the pods come back
for p in scheduler controller-manager apiserver etcd node1-containerd node2-containerd; do stop "$p"; done
for n in node1 node2; do
  [ -d "$K/$n" ] || continue
  reap "$K/$n/run" "$K/$n/run/runc" /run/containerd/containerd.sock
  netns=$(stat -c %i "$K/$n/ns/net" 2>/dev/null || echo none)
  for p in /proc/[0-9]*; do   # a process of someone else's is told, not killed
    [ "$(stat -Lc %i "$p/ns/net" 2>/dev/null)" != "$netns" ] || echo "warning: $n is still used by pid ${p#/proc/} ($(cat "$p/comm"))" >&2
  done
  unmount_below "$K/$n"   # with its namespaces go the node's mounts, links and routes
done
remove_cgroups kubepods node2
rm -rf --one-file-system "$K"/{node1,node2,etcd,cert,*.kubeconfig}
if [ -f "$K/made" ]; then
  while read -r d; do rmdir "$d" 2>/dev/null || true; done <"$K/made"
  rm "$K/made"
fi
remove_runtime_dirs
