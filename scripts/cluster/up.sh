#!/usr/bin/env bash
# Starts Kubernetes 1.20: a control plane and node1, then node2 unless ONE_NODE=1. Each node has network, mount and UTS
# namespaces of its own, with its own containerd, kubelet and kube-proxy; the control plane runs on node1.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
K=$CLUSTER_DIR/nodes bin=$CLUSTER_DIR/kubernetes cert=$CLUSTER_DIR/nodes/cert
nodes=(node1 node2)
[ "${ONE_NODE:-}" != 1 ] || nodes=(node1)
server=https://172.30.0.1:6443

usage() {
  cat <<T
Kubernetes is up. A command runs on a node (kubectl is configured there) with:
  $K/node1/enter kubectl get nodes -o wide
T
}
up() { for n in "${nodes[@]}"; do alive "$n-kubelet" || return 1; done; alive apiserver; }
if up; then usage; exit 0; fi

"$HERE/kubernetes.sh"
need containerd runc containernetworking-plugins iproute2 iptables etcd-server openssl
command -v kubectl >/dev/null || need kubernetes-client
mkdir -p "$K"
base_images
"$HERE/down.sh"
undo_on_failure down.sh

# directories that must exist on the host as mount points; down.sh removes those made here
for d in /run/containerd /var/lib/kubelet; do [ -d "$d" ] || { mkdir -p "$d" && echo "$d" >>"$K/made"; }; done

certificate() { # certificate NAME SUBJECT ALT_NAMES
  openssl req -newkey rsa:2048 -nodes -keyout "$cert/$1.key" -subj "$2" -addext "subjectAltName=$3" 2>/dev/null |
    openssl x509 -req -days 365 -copy_extensions copy -CA "$cert/ca.crt" -CAkey "$cert/ca.key" -CAcreateserial -out "$cert/$1.crt" 2>/dev/null
}
mkdir -p "$cert"
openssl req -x509 -newkey rsa:2048 -nodes -days 365 -keyout "$cert/ca.key" -out "$cert/ca.crt" -subj /CN=cluster 2>/dev/null
certificate apiserver /CN=kube-apiserver IP:172.30.0.1,IP:10.96.0.1,IP:127.0.0.1,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local
certificate kubelet-client /O=system:masters/CN=kube-apiserver DNS:kube-apiserver
openssl genrsa -out "$cert/sa.key" 2048 2>/dev/null

user() { # user NAME USER ID [GROUP]: a token, and NAME.kubeconfig with it
  local token; token=$(openssl rand -hex 16)
  echo "$token,$2,$3${4:+,$4}" >>"$cert/tokens.csv"
  cat >"$K/$1.kubeconfig" <<T
apiVersion: v1
kind: Config
clusters: [{name: cluster, cluster: {server: "$server", certificate-authority: $cert/ca.crt}}]
users: [{name: $1, user: {token: "$token"}}]
contexts: [{name: cluster, context: {cluster: cluster, user: $1}}]
current-context: cluster
T
}
user admin admin 1 system:masters
user controller-manager system:kube-controller-manager 2
user scheduler system:kube-scheduler 3
user node1 system:node:node1 4 system:nodes
user node2 system:node:node2 5 system:nodes

namespaces() { # namespaces NODE
  local n=$1 d=$K/$1
  mkdir -p "$d"/{ns,log,kubelet,run,manifests}
  mount --bind "$d/ns" "$d/ns"
  mount --make-private "$d/ns"
  touch "$d"/ns/{mnt,net,uts}
  # /var/log, because kubelets remove each other's /var/log/pods; mounts shared, as mountPropagation in a pod wants them
  # shellcheck disable=SC2016
  unshare --mount="$d/ns/mnt" --net="$d/ns/net" --uts="$d/ns/uts" --propagation slave sh -ec '
    hostname "$1"
    mount --make-rshared /
    mount --bind "$2/log" /var/log
    mount --bind "$2/kubelet" /var/lib/kubelet
    mount --bind "$2/run" /run/containerd
    mount -t bpf bpf /sys/fs/bpf
    ip link set lo up
    echo 1 >/proc/sys/net/ipv4/ip_forward' - "$n" "$d"
  # nsenter, because `ip netns exec` mounts a new /sys, which hides /sys/fs/cgroup
  cat >"$d/enter" <<T
#!/bin/sh
# usage: enter COMMAND...: runs it in $n's network, mount and UTS namespaces
export KUBECONFIG=$K/admin.kubeconfig PATH=$CLUSTER_DIR/bin:$bin:\$PATH
exec nsenter --mount=$d/ns/mnt --net=$d/ns/net --uts=$d/ns/uts -- sh -c 'cd "\$0" && exec "\$@"' "\$PWD" "\$@"
T
  chmod +x "$d/enter"
}
runtime() { # runtime NODE POD_SUBNET
  containerd_config "$K/$1/containerd.toml" "$K/$1/containerd" /run/containerd "$K/$1/cni"
  cni_config "$K/$1/cni" cni0 "$2"
  start "$1-containerd" "$K/$1/enter" containerd -c "$K/$1/containerd.toml"
  wait_for 20 "$1's containerd" ctr -a "$K/$1/run/containerd.sock" version
  import_images "$K/$1/run/containerd.sock" "$CLUSTER_DIR"/images/*.tar
}
kubelet() { # kubelet NODE ADDRESS CGROUP_ROOT
  local d=$K/$1 sock=unix:///run/containerd/containerd.sock
  cat >"$d/kubelet.yaml" <<T
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $cert/ca.crt}}
authorization: {mode: Webhook}
cgroupDriver: cgroupfs
cgroupRoot: $3
failSwapOn: false
evictionHard: {memory.available: 10Mi, nodefs.available: "1%", imagefs.available: "1%"}
imageGCHighThresholdPercent: 100
clusterDNS: [10.96.0.10]
clusterDomain: cluster.local
staticPodPath: $d/manifests
volumePluginDir: $d/volume-plugins
maxOpenFiles: 20000
enforceNodeAllocatable: [pods]
nodeStatusUpdateFrequency: 1s
T
  start "$1-kubelet" "$d/enter" "$bin/kubelet" --config="$d/kubelet.yaml" --kubeconfig="$K/$1.kubeconfig" --hostname-override="$1" --node-ip="$2" \
    --cert-dir="$d/cert" --container-runtime=remote --container-runtime-endpoint=$sock --image-service-endpoint=$sock --pod-infra-container-image=localhost/pause:cluster
  start "$1-proxy" "$d/enter" "$bin/kube-proxy" --kubeconfig="$K/admin.kubeconfig" --hostname-override="$1" --proxy-mode=iptables --cluster-cidr=10.244.0.0/16 \
    --conntrack-max-per-core=0 --conntrack-tcp-timeout-established=0s --conntrack-tcp-timeout-close-wait=0s --metrics-bind-address=127.0.0.1:10249 --healthz-bind-address=127.0.0.1:10256
}
on1=$K/node1/enter on2=$K/node2/enter

# node1 and the control plane; kubelet and apiserver want a default route, though it leads nowhere
namespaces node1
$on1 ip link add lan0 address 02:00:00:00:00:01 type bridge
$on1 ip address add 172.30.0.1/24 dev lan0
$on1 ip link set lan0 up
$on1 ip route add default via 172.30.0.254 dev lan0
start etcd "$on1" etcd --data-dir "$K/etcd" --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 --listen-peer-urls http://127.0.0.1:2380
start apiserver "$on1" "$bin/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 --bind-address=0.0.0.0 --advertise-address=172.30.0.1 --secure-port=6443 --insecure-port=0 \
  --tls-cert-file="$cert/apiserver.crt" --tls-private-key-file="$cert/apiserver.key" --service-cluster-ip-range=10.96.0.0/24 --token-auth-file="$cert/tokens.csv" \
  --authorization-mode=Node,RBAC --allow-privileged=true --service-account-issuer=https://kubernetes.default.svc --api-audiences=https://kubernetes.default.svc \
  --service-account-key-file="$cert/sa.key" --service-account-signing-key-file="$cert/sa.key" --kubelet-preferred-address-types=InternalIP \
  --kubelet-client-certificate="$cert/kubelet-client.crt" --kubelet-client-key="$cert/kubelet-client.key"
runtime node1 10.244.1.0/24
wait_for 60 "the API server" "$on1" kubectl get --raw /readyz
start controller-manager "$on1" "$bin/kube-controller-manager" --kubeconfig="$K/controller-manager.kubeconfig" --service-account-private-key-file="$cert/sa.key" \
  --root-ca-file="$cert/ca.crt" --use-service-account-credentials=true --leader-elect=false --cert-dir="$cert" --bind-address=127.0.0.1
start scheduler "$on1" "$bin/kube-scheduler" --kubeconfig="$K/scheduler.kubeconfig" --leader-elect=false --cert-dir="$cert" --bind-address=127.0.0.1
kubelet node1 172.30.0.1 /

if [ ${#nodes[@]} = 2 ]; then
  namespaces node2
  $on2 ip link add lan0 type veth peer name node2 netns "$K/node1/ns/net"
  $on2 ip address add 172.30.0.2/24 dev lan0
  $on2 ip link set lan0 up
  $on2 ip route add default via 172.30.0.254 dev lan0
  $on2 ip route add 10.244.1.0/24 via 172.30.0.1
  $on1 ip link set node2 master lan0 up
  $on1 ip route add 10.244.2.0/24 via 172.30.0.2
  for m in $(cgroup_mounts); do
    mkdir -p "$m/node2"
    for f in cpuset.cpus cpuset.mems; do [ ! -f "$m/$f" ] || cat "$m/$f" >"$m/node2/$f"; done
  done
  runtime node2 10.244.2.0/24
  kubelet node2 172.30.0.2 /node2
fi
for n in "${nodes[@]}"; do wait_for 90 "$n" "$on1" kubectl wait --for=condition=Ready --timeout=5s "node/$n"; done
wait_for 30 "the default service account" "$on1" kubectl get serviceaccount default
usage
