#!/usr/bin/env bash
# Puts together all that the image holds, below the folder given: node, what node and the add-on link to, the daemon. No
# shell, no package manager, no compiler, so that nobody who gets in finds one.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$1

# The libraries at the paths where the loader looks for them.
libraries() {
    ldd "$@" | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p; s/^[[:space:]]*\(\/[^ ]*ld-linux[^ ]*\) .*/\1/p' | sort -u
}

# The Debian package that a library is of. Below / or below /usr: to dpkg only one of them is its path.
package_of() {
    local target
    target=$(readlink -f "$1")
    { dpkg-query --search "$target" || dpkg-query --search "${target#/usr}"; } 2>/dev/null | sed -n '1s/:.*//p'
}

node=$(readlink -f "$(command -v node)")
install -D -m 0755 "$node" "$root/usr/local/bin/node"
native=(dist/collector.node dist/io.node dist/self-check dist/argument-reader)
strip --strip-debug "${native[@]}"
packages=()
for library in $(libraries "$node" "${native[@]}"); do
    install -D -m 0755 "$(readlink -f "$library")" "$root$library"
    packages+=("$(package_of "$library")")
done

install -D -m 0644 -t "$root/opt/collector/dist" dist/collector.js dist/collector.js.map dist/command.js dist/profile-worker.js dist/package.json
install -D -m 0644 -t "$root/opt/collector/dist/inspect" dist/inspect/*
install -m 0755 -t "$root/opt/collector/dist" "${native[@]}"
# `collector` in the PATH: the daemon, and the command for whoever asks it.
printf '#!/usr/local/bin/node\nimport("/opt/collector/dist/collector.js");\n' >"$root/usr/local/bin/collector"
chmod 0755 "$root/usr/local/bin/collector"
# Where the existing product's probe calls it.
node_modules/.bin/esbuild scripts/image/status-check.ts --platform=node --format=cjs --banner:js='#!/usr/local/bin/node' --log-level=error \
    --outfile="$root/usr/local/bin/status-check.sh"
chmod 0755 "$root/usr/local/bin/status-check.sh"
# The folder of kernel objects, with the licence that a driver there comes under.
install -D -m 0644 LICENSES/GPL-2.0-only.txt "$root/kernel-modules/LICENSE"
install -D -m 0644 -t "$root/licenses" LICENSE LICENSES/*

# Under which licences all of that comes, and what it is.
while IFS= read -r folder; do
    name=${folder#"$PWD"/node_modules/}
    for file in "$folder"/[Ll][Ii][Cc][Ee][Nn][CcSs][Ee]*; do
        [[ ! -f $file ]] || install -D -m 0644 "$file" "$root/licenses/npm/$name/${file##*/}"
    done
done < <(npm ls --omit=dev --all --parseable | tail -n +2)
mapfile -t packages < <(printf '%s\n' "${packages[@]}" | sort -u)
for package in "${packages[@]}"; do
    install -D -m 0644 "/usr/share/doc/$package/copyright" "$root/licenses/debian/$package" || true
done
node_modules/.bin/tsx scripts/image/sbom.ts "${packages[@]}" >"$root/licenses/sbom.cdx.json"

install -d "$root/etc" "$root/module" "$root/host" "$root/run/collector"
install -d -m 1777 "$root/tmp"
echo 'collector:x:65532:65532:Collector:/:/sbin/nologin' >"$root/etc/passwd"
echo 'collector:x:65532:' >"$root/etc/group"
chown 65532:0 "$root/module" "$root/run/collector"

# Nothing of when it was built: the same sources give the same layer.
find "$root" -exec touch --no-dereference --date="@${SOURCE_DATE_EPOCH:-0}" {} +
