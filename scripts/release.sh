#!/usr/bin/env bash
# Makes a release of what is committed: tests it, writes the version where it stands, and tags it. Pushes nothing.
# usage: release.sh <version>, such as 1.2.0
set -euo pipefail
cd "$(dirname "$0")/.."

version=${1-}
if [[ ! $version =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$ ]]; then
    echo "Bad version '$version' (allowed: x.y.z or x.y.z-name)" >&2
    exit 1
fi
if [[ -n $(git status --porcelain) ]]; then
    echo "Something is not committed: see git status." >&2
    exit 1
fi
if git rev-parse --quiet --verify "v$version" >/dev/null; then
    echo "The version $version has been released: there is a tag v$version." >&2
    exit 1
fi
if ! sed -n '/^## Unreleased$/,/^## [0-9]/p' CHANGELOG.md | grep -q '^- '; then
    echo "CHANGELOG.md says nothing under 'Unreleased'." >&2
    exit 1
fi
.ci/run

npm version --no-git-tag-version "$version" >/dev/null
sed -i "s/^version: .*/version: $version/; s/^appVersion: .*/appVersion: $version/" deploy/collector/Chart.yaml
sed -i "s/^ARG VERSION=.*/ARG VERSION=$version/" Dockerfile
sed -i "s/^## Unreleased$/## Unreleased\n\n## $version – $(date -u +%F)/" CHANGELOG.md
git commit --all --quiet --message "Release $version"
git tag --annotate "v$version" --message "Collector $version"
echo "Tagged v$version. Push it with: git push origin HEAD v$version"
