#!/usr/bin/env bash
# The steps of .github/workflows/benchmark.yml; scripts/compare/workflow.ts runs them at a desk.
#
#   steps.sh compare <ref>           compares this tree with a commit, into result.json and result.md
#   steps.sh comment <number>        puts result.md below a pull request
#   steps.sh fetch-baseline <file>   brings the baseline from its branch, if there is one
#   steps.sh update <file>           compares this tree with the baseline, and adds the run to it
#   steps.sh store-baseline <file>   commits the baseline to its branch
#
# COMPARE_ARGUMENTS are further arguments of `npm run compare`, such as --seconds=5; COMPARE_REMOTE is where the branch
# is, at a desk: a folder made by `git init --bare`.
set -euo pipefail
cd "$(dirname "$0")/../.."

branch=benchmark-baseline
remote=${COMPARE_REMOTE-origin}
results=.cache/compare

# The measurement needs root: for BPF, and for cgroups.
measure() {
    local arguments=() sudo=()
    read -ra arguments <<<"${COMPARE_ARGUMENTS-}"
    ((EUID == 0)) || sudo=(sudo env "PATH=$PATH")
    mkdir -p "$results"
    rm -f "$results/result.json" "$results/result.md"
    "${sudo[@]}" npm run --silent compare -- --json "$@" "${arguments[@]}" >"$results/result.json"
    node --print "JSON.parse(fs.readFileSync('$results/result.json')).markdown" >"$results/result.md"
    cat "$results/result.md"
    if [[ -n ${GITHUB_STEP_SUMMARY-} ]]; then cat "$results/result.md" >>"$GITHUB_STEP_SUMMARY"; fi
}

case ${1-} in
    compare) measure --base="$2" --label="$(uname -m)" ;;
    comment) gh pr comment "$2" --body-file "$results/result.md" ;;
    fetch-baseline)
        mkdir -p "$(dirname "$2")"
        if git fetch --quiet "$remote" "$branch"; then
            git show FETCH_HEAD:baseline.json >"$2"
        else
            echo "No branch $branch yet: this run begins the baseline."
        fi
        ;;
    update) measure --baseline="$2" --update-baseline ;;
    store-baseline)
        # A commit without a parent and with one file, made beside the work tree: the branch never grows.
        blob=$(git hash-object -w "$2")
        tree=$(printf '100644 blob %s\tbaseline.json\n' "$blob" | git mktree)
        commit=$(git -c user.name=benchmark -c user.email=benchmark@localhost \
            commit-tree -m "Keep the latest runs of main" "$tree")
        git push --quiet --force "$remote" "$commit:refs/heads/$branch"
        ;;
    *) echo "usage: steps.sh compare <ref> | comment <number> | fetch-baseline|update|store-baseline <file>" >&2 && exit 2 ;;
esac
