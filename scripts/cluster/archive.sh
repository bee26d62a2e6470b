#!/usr/bin/env bash
# Makes a container image (docker-archive) of a directory, without an engine or a registry.
# usage: archive.sh ROOTFS_DIR NAME:TAG OUT.tar '{"Cmd": [...], "Env": [...], ...}' [ARCHITECTURE]
set -euo pipefail
[ $# = 4 ] || [ $# = 5 ] || { sed -n 2,3p "$0" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tar --numeric-owner --sort=name --mtime=@0 -C "$1" -cf "$work/layer.tar" .
diff=$(sha256sum "$work/layer.tar" | cut -d' ' -f1)
printf '{"architecture": "%s", "os": "linux", "config": %s, "rootfs": {"type": "layers", "diff_ids": ["sha256:%s"]}, "history": [{"created": "1970-01-01T00:00:00Z"}]}' \
  "${5-$(dpkg --print-architecture)}" "$4" "$diff" >"$work/config.json"
printf '[{"Config": "config.json", "RepoTags": ["%s"], "Layers": ["layer.tar"]}]' "$2" >"$work/manifest.json"
tar -C "$work" -cf "$3" manifest.json config.json layer.tar
