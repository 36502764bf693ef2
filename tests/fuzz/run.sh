#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Long fuzzing of every parser of outside bytes, with ASan, UBSan and LSan.
set -eu

usage() {
    cat <<'EOF'
usage: sh tests/fuzz/run.sh [SECONDS [TARGET ...]]

Runs each libFuzzer target (all of them, or those named) for SECONDS (600) at the
lowest priority, then keeps the inputs that reach new code in tests/fuzz/corpus,
at most 8 KB each. Builds in build/fuzz. Ends with 1 when a target failed; its
input is build/fuzz/TARGET-crash-... (or -leak-, -timeout-).
EOF
}
case "${1:-}" in
    -h | --help) usage; exit 0 ;;
    '' | *[!0-9]*) [ $# -eq 0 ] || { usage >&2; exit 2; } ;;
esac

cd "$(dirname "$0")/../.."
seconds=${1:-600}
[ $# -eq 0 ] || shift
build=build/fuzz
CC=clang cmake -G Ninja -S tests/fuzz -B "$build" >/dev/null
cmake --build "$build"
if [ $# -eq 0 ]; then
    for source in tests/fuzz/fuzz_*.c; do
        set -- "$@" "$(basename "$source" .c)"
    done
fi

failed=0
for target in "$@"; do
    corpus=tests/fuzz/corpus/$target
    if [ ! -x "$build/$target" ] || [ ! -d "$corpus" ]; then
        echo "run.sh: expected a target with a corpus, got '$target'" >&2
        exit 2
    fi
    found=$build/found/$target
    mkdir -p "$found"
    if ! nice -n 19 "$build/$target" -max_total_time="$seconds" -max_len=8200 \
        -timeout=20 -detect_leaks=1 -artifact_prefix="$build/$target-" \
        "$found" "$corpus" >"$build/$target.log" 2>&1; then
        failed=1
        tail -n 40 "$build/$target.log"
    fi
    before=$(ls "$corpus" | wc -l)
    # Only what reaches code that the corpus does not.
    nice -n 19 "$build/$target" -merge=1 -use_counters=0 -max_len=8200 \
        "$corpus" "$found" >>"$build/$target.log" 2>&1
    new=$(($(ls "$corpus" | wc -l) - before))
    echo "$target: $(grep -o '^#[0-9]*.DONE.*' "$build/$target.log" | head -n 1)"
    echo "$target: $new new inputs in $corpus"
done
exit "$failed"
