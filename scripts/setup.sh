#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# From a bare Debian 12 with python3 to ready: packages, .venv, west workspace.
set -eu

usage() {
    cat <<'EOF'
usage: sh scripts/setup.sh [--cloud | --tests]

Installs the Debian packages that are missing (as root or with sudo), makes the
virtual environment .venv with the project in it, and the west workspace .west.
Does nothing, quickly, when everything is there.
  --cloud   what scripts/demo_cloud.sh needs, too: the Python packages of publishing,
            mosquitto and nginx (neither is started)
  --tests   what the tests need, too: those, clang, cmocka, dtc, Chromium
EOF
}
tests=no cloud=no
case "${1:-}" in
    -h | --help) usage; exit 0 ;;
    --cloud) cloud=yes ;;
    --tests) tests=yes cloud=yes ;;
    '') ;;
    *) usage >&2; exit 2 ;;
esac

cd "$(dirname "$0")/.."

PACKAGES="gcc-arm-none-eabi libnewlib-arm-none-eabi cmake ninja-build libjsmn-dev"
if [ "$tests" = yes ]; then
    PACKAGES="$PACKAGES gcc libc6-dev clang clang-format libclang-rt-14-dev llvm
        libcmocka-dev libssl-dev device-tree-compiler make patch git
        chromium"
fi
SERVERS="mosquitto nginx"
if [ "$cloud" = yes ]; then
    PACKAGES="$PACKAGES $SERVERS openssl"
fi

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1; then
        sudo "$@"
    else
        echo "setup: these need root, and there is no sudo: $*" >&2
        exit 1
    fi
}

# Tests and demo start servers of their own: none may start with its package.
POLICY=/usr/sbin/policy-rc.d
install_packages() {
    held=no
    if [ ! -e "$POLICY" ]; then
        held=yes
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$POLICY" >/dev/null
        as_root chmod 755 "$POLICY"
    fi
    installed=0
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -y --no-install-recommends install "$@" || installed=$?
    if [ "$held" = yes ]; then
        as_root rm "$POLICY"
    fi
    [ "$installed" -eq 0 ] || exit "$installed"
    for package in "$@"; do
        case " $SERVERS " in
            *" $package "*) as_root update-rc.d "$package" disable ;;
        esac
    done
}

# Debian packages
command -v python3 >/dev/null 2>&1 || PACKAGES="$PACKAGES python3 python3-venv"
if command -v python3 >/dev/null 2>&1 &&
    ! python3 -c 'import ensurepip, venv' >/dev/null 2>&1; then
    PACKAGES="$PACKAGES python3-venv"
fi
missing=""
for package in $PACKAGES; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
done
if [ -n "$missing" ]; then
    echo "setup: installing$missing"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update
    # shellcheck disable=SC2086 # one word per package
    install_packages $missing
fi

# Virtual environment, again when setup.py or the folder changed
if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "setup: Python 3.11 or newer is needed, found $(python3 -V)" >&2
    exit 1
fi
extras=sim
[ "$cloud" = no ] || extras=sim,cloud
[ "$tests" = no ] || extras=sim,cloud,test
stamp="$(cksum <setup.py) $(pwd) $(python3 -V)"
made=$(cat .venv/.nrfota-stamp 2>/dev/null || true)
# What has more packages than are asked for is good enough.
case $made in
    "$stamp $extras" | "$stamp $extras",*) ready=yes ;;
    *) ready=no ;;
esac
if [ "$ready" = no ]; then
    echo "setup: making .venv"
    # A .venv that was moved points to its old place: made anew.
    .venv/bin/west --version >/dev/null 2>&1 || rm -rf .venv
    [ -x .venv/bin/python ] || python3 -m venv .venv
    .venv/bin/python -m pip install -q --disable-pip-version-check -e ".[$extras]"
    echo "$stamp $extras" >.venv/.nrfota-stamp
fi

# West workspace: this project alone, nothing is fetched
if [ ! -f .west/config ]; then
    mkdir -p .west
    printf '[manifest]\npath = .\nfile = west.yml\n' >.west/config
fi
