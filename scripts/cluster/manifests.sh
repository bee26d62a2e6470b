#!/usr/bin/env bash
# Writes deploy/kubernetes from the chart: plain manifests for `kubectl apply -k deploy/kubernetes`, or as a base for
# others. With --check it writes nothing, and fails if they differ from the chart.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
root=$(cd "$HERE/../.." && pwd)
helm=$("$HERE/helm.sh")
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT

{
  echo "# Written by scripts/cluster/manifests.sh from deploy/collector: change that, or patch this with kustomize."
  # Helm's own labels say nothing where Helm is not used.
  "$helm" template collector "$root/deploy/collector" --namespace stackrox --kube-version 1.22 |
    sed '/^# Source: /d; /helm.sh\/chart:/d; s/managed-by: Helm/managed-by: kustomize/'
} >"$new/collector.yaml"
cat >"$new/kustomization.yaml" <<'T'
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: stackrox
resources:
  - collector.yaml
T
if [ "${1-}" = --check ]; then
  diff -r "$new" "$root/deploy/kubernetes" >&2 || die "deploy/kubernetes is not what the chart gives: run scripts/cluster/manifests.sh"
else
  cp "$new"/* "$root/deploy/kubernetes/"
fi
