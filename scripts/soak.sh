#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The long run: power cuts and modem faults until at least 100,000 cuts were tried.
set -eu

usage() {
    cat <<'EOF'
usage: sh scripts/soak.sh [--cases N] [--first-seed S] [--runs N] [-d DIR]

Repeats west ota-test with one seed after the other: every single cut of every
scenario, cuts with modem faults, pairs of cuts on a 2-page image. Ends when N cases
were tried (100000) and, with --runs, N runs of the processor were made: equal cases
share a run. Verdicts go to DIR/soak (DIR: build). Exit code 1 when a case was lost.
Ctrl-C ends it with what was tried until then (exit code 130 when none was lost).
EOF
}
cases=100000
runs=0
seed=1
folder=build
while [ $# -gt 0 ]; do
    case "$1" in
        -h | --help) usage; exit 0 ;;
        --cases) cases=$2; shift 2 ;;
        --runs) runs=$2; shift 2 ;;
        --first-seed) seed=$2; shift 2 ;;
        -d) folder=$2; shift 2 ;;
        *) usage >&2; exit 2 ;;
    esac
done

cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"
export PATH
out=$folder/soak
mkdir -p "$out"
[ -f "$folder/bootloader/bootloader.elf" ] || python -m nrfota build -d "$folder"

code=0
stopped=
trap 'stopped=1' INT TERM
try() {
    name=$1
    shift
    [ -z "$stopped" ] || return 0
    python -m nrfota test -d "$folder" --seed "$seed" --json "$out/$seed-$name.json" \
        "$@" || [ -n "$stopped" ] || code=1
}
count() {
    python - "$out" "$1" <<'EOF'
import json, pathlib, sys
files = pathlib.Path(sys.argv[1]).glob("*.json")
print(round(sum(item[sys.argv[2]] for file in files for item in json.loads(file.read_text()))))
EOF
}

rm -f "$out"/*.json
while [ -z "$stopped" ]; do
    echo "== seed $seed"
    try cuts --cuts every
    try faults --cuts 200 --faults all
    try pairs --cuts 1000 --depth 2 --image-size 8192 --scenario update trial-fails \
        bootloader
    tried=$(count cases)
    made=$(count runs)
    lost=$(count lost)
    echo "== $tried cases tried in $made runs, $(count cpu_s) s of processor time," \
        "$lost lost"
    seed=$((seed + 1))
    [ "$tried" -ge "$cases" ] && [ "$made" -ge "$runs" ] && break
done
[ "$lost" -eq 0 ] || code=1
[ -z "$stopped" ] || [ "$code" -ne 0 ] || code=130
exit $code
