#!/usr/bin/env bash
# Runs all specs in two lanes side by side: `daemon` has those of the whole daemon and of the kernel side, which mostly
# wait; `parts` has all others, the virtual machines and the benchmarks, printed in one piece at the end. Arguments go
# to both. With TEST_COUNTS each lane keeps its counts in the file "$TEST_COUNTS.<lane>": see spec/support/reporter.ts.
# Started by npm, after the build.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

lane() {
    local name=$1
    shift
    [[ -z ${TEST_COUNTS-} ]] || export TEST_COUNTS="$TEST_COUNTS.$name"
    exec mocha "$@"
}

log=$(mktemp)
(lane parts --ignore 'spec/e2e/!(kernels|faults|overhead|scale).spec.ts' --ignore 'spec/native/**' "$@") >"$log" 2>&1 &
parts=$!
trap 'kill "$parts" 2>/dev/null; rm -f "$log"' EXIT

(lane daemon --ignore 'spec/!(e2e|native)/**' --ignore 'spec/e2e/{kernels,faults,overhead,scale}.spec.ts' "$@")
failed=$?
wait "$parts" || failed=1
cat "$log"
exit "$failed"
