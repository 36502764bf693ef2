#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A whole firmware update on the virtual board, with the binaries that ship.
set -eu

usage() {
    cat <<'EOF'
usage: sh scripts/demo.sh [DIR]

Builds boot record, bootloader and two versions of the application, packages
version 2, starts the virtual board with version 1, stores version 2 in its
modem, and lets the bootloader update to it. No hardware. Everything it makes is
in DIR (build/demo).
EOF
}
case "${1:-}" in
    -h | --help) usage; exit 0 ;;
    -*) usage >&2; exit 2 ;;
esac

cd "$(dirname "$0")/.."
sh scripts/setup.sh
PATH="$PWD/.venv/bin:$PATH"
export PATH
demo=${1:-build/demo}

# Runs a command quietly; shows what it printed only when it fails.
quietly() {
    if ! "$@" >"$demo/log.txt" 2>&1; then
        cat "$demo/log.txt" >&2
        echo "demo: failed: $*" >&2
        exit 1
    fi
}

title() {
    printf '\n=== %s\n' "$1"
}

mkdir -p "$demo"
rm -rf "$demo/sim"

title "1. Build version 1 and version 2 (200 KB of it is filler)"
quietly west ota-build -d "$demo/v1" -A 1
west ota-build -d "$demo/v2" -A 2 --cmake-arg=-DAPP_PAD_BYTES=200000 --map \
    >"$demo/log.txt" 2>&1 || {
    cat "$demo/log.txt" >&2
    exit 1
}
sed -n '/^image /,$p' "$demo/log.txt"

title "2. Package: factory.hex with version 1, encrypted ota.ebin with version 2"
west ota-package -d "$demo/v1" -A 1 -u https://example.com/fw_1.ebin --factory
west ota-package -d "$demo/v2" -A 2 -u https://example.com/fw_2.ebin
west ota-inspect "$demo/v2/ota/ota.ebin"

title "3. Provision version 1, stage version 2 in the modem, update"
west ota-flash -r sim -d "$demo" --hex-file "$demo/v1/ota/factory.hex" \
    --ebin "$demo/v2/ota/ota.ebin"

title "4. Switch it off and on again: version 2 is committed and starts by itself"
west ota-flash -r sim -d "$demo" --watch -A 2 >"$demo/log.txt"
grep -F '  | boot: ' "$demo/log.txt"

# The new version's own words, as they came out of its console UART.
grep -F 'app: version 2 running' "$demo/log.txt"
