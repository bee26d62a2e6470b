#!/usr/bin/env bash
# Every linter, each of them to its end, so that one run shows all there is to mend. `--fix` mends what tools can.
# Started by npm, which puts node_modules/.bin into PATH.
set -euo pipefail
cd "$(dirname "$0")/.."

files() {
    git ls-files --cached --others --exclude-standard -- "$@"
}
mapfile -t native < <(files '*.[ch]' '*.cc')
mapfile -t shell < <(files '*.sh')
failed=()
running=()

fix() {
    "$@" || failed+=("$1")
}

# Beside the others, which only read, too; what it says is printed in one piece.
check() {
    local log
    log=$(mktemp)
    "$@" >"$log" 2>&1 &
    running+=("$! $log $1")
}

page-types() {
    tsc --project actors/inspection/page
}

charts() {
    tsx scripts/charts.ts --check
}

results() {
    tsx scripts/results.ts --check
}

relative-words() {
    tsx scripts/relative-words.ts
}

# Types that others are checked with.
tsx scripts/proto.ts

if [[ ${1-} == --fix ]]; then
    fix prettier --log-level warn --write .
    fix clang-format -i "${native[@]}"
    fix eslint --fix .
else
    check prettier --log-level warn --check .
    check clang-format --dry-run --Werror "${native[@]}"
    check shellcheck .ci/run "${shell[@]}"
    check tsc
    check page-types
    check eslint .
    check relative-words
    check charts
    check results
    check depcruise --config .dependency-cruiser.cjs collector.ts actors machines native proto scripts spec
fi

for one in "${running[@]}"; do
    read -r pid log name <<<"$one"
    wait "$pid" || failed+=("$name")
    cat "$log"
    rm "$log"
done
if ((${#failed[@]} > 0)); then
    echo "Failed: ${failed[*]}" >&2
    exit 1
fi
