#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# An update by cloud: broker, file server, publisher and device on this machine.
set -eu

usage() {
    cat <<'EOF'
usage: sh scripts/demo_cloud.sh [DIR]

Starts mosquitto (TLS, client certificates) and nginx on free ports of loopback,
builds the connected application for them, stores the device's certificates in
the modem of the virtual board, switches the device on, publishes version 2 and
follows it until the device has confirmed. No hardware, no account. Everything
it makes is in DIR (build/demo-cloud); what the device said is in DIR/device.log.
EOF
}
case "${1:-}" in
    -h | --help) usage; exit 0 ;;
    -*) usage >&2; exit 2 ;;
esac

cd "$(dirname "$0")/.."
sh scripts/setup.sh --cloud
PATH="$PWD/.venv/bin:$PATH:/usr/sbin"
export PATH
umask 077
mkdir -p "${1:-build/demo-cloud}"
demo=$(cd "${1:-build/demo-cloud}" && pwd)
DEVICE=867648040000015 # the IMEI of the virtual board's modem
running=""

title() {
    printf '\n=== %s\n' "$1"
}

fail() {
    echo "demo: $1" >&2
    exit 1
}

# Runs a command quietly; shows what it printed only when it fails.
quietly() {
    if ! "$@" >"$demo/log.txt" 2>&1; then
        cat "$demo/log.txt" >&2
        fail "failed: $*"
    fi
}

# Starts a program that is ended with the demo: background LOG COMMAND ...
background() {
    log=$1
    shift
    "$@" >"$log" 2>&1 &
    running="$running $!"
}

stop_all() {
    # shellcheck disable=SC2086 # one word per process
    [ -z "$running" ] || kill $running 2>/dev/null || true
    wait
}
trap stop_all EXIT
trap 'exit 1' INT TERM

# Waits until COMMAND succeeds, for a minute at most: wait_for WHAT LOG COMMAND ...
wait_for() {
    what=$1 log=$2 tries=600
    shift 2
    until "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        if [ "$tries" -eq 0 ]; then
            cat "$log" >&2
            fail "$what did not come"
        fi
        sleep 0.1
    done
}

listens() {
    python3 -c 'import socket, sys
socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1).close()' "$1"
}

# Three ports that nothing listens on.
# shellcheck disable=SC2046
set -- $(python3 -c 'import socket
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(one.getsockname()[1] for one in held))')
broker_port=$1 files_port=$2

title "1. Certificates, a broker and a file server"
rm -rf "$demo/fleet" "$demo/broker" "$demo/files" "$demo/sim" "$demo/device.log"
mkdir -p "$demo/fleet/certs" "$demo/broker" "$demo/files/www"
cd "$demo/fleet/certs"
issue() { # FILE COMMON-NAME
    openssl req -newkey rsa:2048 -nodes -subj "/CN=$2" -keyout "$1.key" -out "$1.csr"
    printf 'subjectAltName=DNS:%s\n' "$2" >"$1.ext"
    openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 \
        -extfile "$1.ext" -out "$1.pem"
    rm "$1.csr" "$1.ext"
}
quietly openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=fleet CA" \
    -keyout ca.key -out ca.pem
quietly issue server localhost
quietly issue operator publisher
quietly issue "$DEVICE" "$DEVICE"
cd - >/dev/null
cat >"$demo/broker/acl" <<'EOF'
user publisher
topic write ota/device/+/request
topic read ota/device/+/report

pattern read ota/device/%u/request
pattern write ota/device/%u/report
pattern write ota/device/%u/telemetry
EOF
cat >"$demo/broker/mosquitto.conf" <<EOF
user $(id -un)
listener $broker_port 127.0.0.1
cafile $demo/fleet/certs/ca.pem
certfile $demo/fleet/certs/server.pem
keyfile $demo/fleet/certs/server.key
require_certificate true
use_identity_as_username true
acl_file $demo/broker/acl
EOF
cat >"$demo/files/nginx.conf" <<EOF
daemon off; master_process off; pid nginx.pid; error_log stderr;
events { }
http {
    access_log access.log;
    client_body_temp_path tmp1; proxy_temp_path tmp2; fastcgi_temp_path tmp3;
    uwsgi_temp_path tmp4; scgi_temp_path tmp5;
    default_type application/octet-stream;
    server { listen 127.0.0.1:$files_port; root $demo/files/www; }
}
EOF
background "$demo/broker/log.txt" mosquitto -c "$demo/broker/mosquitto.conf"
background "$demo/files/log.txt" nginx -e stderr -p "$demo/files/" -c nginx.conf
wait_for "the broker" "$demo/broker/log.txt" listens "$broker_port"
wait_for "the file server" "$demo/files/log.txt" listens "$files_port"
echo "mosquitto on localhost:$broker_port, nginx on localhost:$files_port"

title "2. The fleet's cloud file, and versions 1 and 2 for it (200 KB of 2 is filler)"
cat >"$demo/fleet/cloud.yml" <<EOF
profile: mqtt
host: localhost
port: $broker_port
device_id: imei
tls: {ca: certs/ca.pem, cert: "certs/{id}.pem", key: "certs/{id}.key"}
operator: {cert: certs/operator.pem, key: certs/operator.key}
EOF
cat "$demo/fleet/cloud.yml"
quietly west ota-build -d "$demo/v1" -A 1 --cloud "$demo/fleet/cloud.yml"
quietly west ota-build -d "$demo/v2" -A 2 --cloud "$demo/fleet/cloud.yml" \
    --cmake-arg=-DAPP_PAD_BYTES=200000
west ota-package -d "$demo/v1" -A 1 -u "http://127.0.0.1:$files_port/fw_1.ebin" --factory
west ota-package -d "$demo/v2" -A 2 -u "http://127.0.0.1:$files_port/fw_2.ebin"

title "3. The device's certificates into its modem"
west ota-certs --cloud "$demo/fleet/cloud.yml" -r sim -d "$demo" --device "$DEVICE"

title "4. The device is switched on"
mkdir -p "$demo/sim/modem/E"
cp "$demo/v1/ota/ota.ebin" "$demo/sim/modem/E/fw_1.ebin"
# Four times as fast as a real one; --pace 1 is real time, and Ctrl-C ends it.
background "$demo/device.log" west ota-sim --load "$demo/v1/ota/factory.hex" \
    --modem "$demo/sim/modem" --modem-pwrkey 1.03 --uart 0=- --max-time inf --pace 4
wait_for "the device's connection" "$demo/device.log" \
    grep -q "connected to the broker" "$demo/device.log"
grep "^app: " "$demo/device.log"

title "5. Version 2 is published"
west ota-publish --cloud "$demo/fleet/cloud.yml" -d "$demo/v2" --device "$DEVICE" \
    --to "file://$demo/files/www"

title "6. What the device said meanwhile"
sed -n '/accepted/,$p' "$demo/device.log" | grep -E "^(app|boot): "
