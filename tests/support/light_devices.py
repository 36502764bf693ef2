# SPDX-License-Identifier: Apache-2.0
"""Thousands of devices in one process: the protocol of SPEC.md 3, 10, 11 and 12.

A light device connects with a session that stays, subscribes, sends telemetry,
takes ota.json and reports as its fate says, one report at a time, each QoS 1. Where
a device would reset its socket is closed without a word and it connects again.
Nothing of nrfota is used: what a report looks like is written here once more.

The clients are paho's, driven by one selector. As a program:

    python tests/support/light_devices.py --port P --devices N --seed S --ledger FILE

prints `{"event": "ready", ...}` when all are subscribed and `{"event": "idle", ...}`
when all have said what there was to say, runs until its standard input ends, waits
for what is under way, and writes the ledger: for each device the reports that the
broker acknowledged.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import selectors
import socket
import ssl
import struct
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt

GROUP = "fleet"
VERSION = 1
KEEPALIVE_S = 600
# mosquitto listens with a backlog of 100; a SYN beyond it waits for a second.
CONNECTING = 64
# With most ports of an address taken, connect() searches for long.
DEVICES_PER_ADDRESS = 4000
MISC_S = 30.0
DRAIN_S = 60.0
SPARE_FILES = 64
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Fate(StrEnum):
    """What becomes of an update on a device."""

    CONFIRM = "confirm"
    TWICE = "twice"  # confirms, and every report comes twice
    CUT = "cut"  # confirms, but loses its connection with a report on its way
    REFUSE = "refuse"
    FAIL = "fail"
    ROLL_BACK = "roll_back"
    VANISH = "vanish"  # accepts, and is never heard of again
    SILENT = "silent"  # never says anything


# In per mille of the fleet; the others confirm.
SHARES = {
    Fate.TWICE: 50,
    Fate.CUT: 50,
    Fate.REFUSE: 5,
    Fate.FAIL: 5,
    Fate.ROLL_BACK: 5,
    Fate.VANISH: 2,
    Fate.SILENT: 3,
}
DOWNLOAD = [("downloading", percent) for percent in (0, 25, 50, 75, 100)]
UP_TO_RESET = [("accepted", None), *DOWNLOAD, ("downloaded", None), ("updating", None)]
BAD = {
    # enum ota_status and its name (SPEC.md 11)
    Fate.REFUSE: ("refused", -30, "downgrade"),
    Fate.FAIL: ("failed", -72, "http"),
    Fate.ROLL_BACK: ("rolled_back", -60, "unconfirmed"),
}


def plan_fates(
    devices: int, *, seed: int, shares: dict[Fate, int] = SHARES
) -> dict[str, Fate]:
    """Names and fates; the same for the same seed, each fate at least once."""
    fates = [
        fate
        for fate, share in shares.items()
        for _ in range(max(1 if share else 0, devices * share // 1000))
    ]
    if len(fates) > devices:
        raise ValueError(f"expected at least {len(fates)} devices, got {devices}")
    fates += [Fate.CONFIRM] * (devices - len(fates))
    random.Random(seed).shuffle(fates)
    return {f"dev-{number:05}": fate for number, fate in enumerate(fates, 1)}


def script(fate: Fate) -> list[tuple[str, int | None] | None]:
    """Stages in order; None is a reset of the chip."""
    match fate:
        case Fate.SILENT:
            return []
        case Fate.REFUSE:
            return [("refused", None)]
        case Fate.VANISH:
            return [("accepted", None)]
        case Fate.FAIL:
            return [*UP_TO_RESET[:3], ("failed", None)]
        case Fate.ROLL_BACK:
            return [*UP_TO_RESET, None, ("rolled_back", None)]
        case _:
            return [*UP_TO_RESET, None, ("confirmed", None)]


def raise_file_limit(needed: int) -> None:
    """As many open files as `needed`, or SystemExit that says what is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = needed + SPARE_FILES
    if soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise SystemExit(
            f"{needed} connections need {wanted} open files, but only {hard} are "
            f"allowed: raise 'ulimit -Hn', or take at most {hard - SPARE_FILES} devices"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@dataclass
class Device:
    """One device and what it has said."""

    name: str
    fate: Fate
    client: mqtt.Client
    address: str
    version: int = VERSION
    target: int = 0
    request: str = ""
    requests: int = 0
    todo: deque[tuple[str, int | None] | None] = field(default_factory=deque)
    sent: dict[int, tuple[str, int | None]] = field(default_factory=dict)
    acked: list[tuple[str, int | None]] = field(default_factory=list)
    waiting: bool = False  # connects, or wants to
    registered: int = 0
    connects: int = 0

    @property
    def busy(self) -> bool:
        """Whether it has something to say, or waits to hear that it was heard."""
        return bool(self.todo or self.sent or self.waiting)


class Fleet:
    """All devices of a plan on one selector."""

    def __init__(
        self,
        fates: dict[str, Fate],
        *,
        port: int,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._selector = selectors.DefaultSelector()
        self._port = port
        self._to_connect: deque[Device] = deque()
        self._connecting = 0
        self._misc_at = time.monotonic() + MISC_S
        self._quiet = False
        self._said_idle = False
        self.devices = {
            name: self._make(name, fate, tls, address=_address(number))
            for number, (name, fate) in enumerate(fates.items())
        }

    def connect(self) -> None:
        """Connects and subscribes all of them."""
        for device in self.devices.values():
            self._queue(device)
        while self._to_connect or self._connecting:
            self.turn(1.0)

    def run(self, stop: Any) -> None:
        """Until the file `stop` can be read, then until all have been heard."""
        self._selector.register(stop, READ, None)
        while not self.turn(1.0):
            self._say_idle()
        self._selector.unregister(stop)
        end = time.monotonic() + DRAIN_S
        while any(device.busy for device in self.devices.values()):
            if time.monotonic() > end:
                raise SystemExit("the broker acknowledges no more")
            self.turn(1.0)

    def turn(self, timeout_s: float) -> bool:
        """One look at all sockets; True when the file to stop at can be read."""
        while self._to_connect and self._connecting < CONNECTING:
            self._connecting += 1
            device = self._to_connect.popleft()
            device.connects += 1
            device.client.connect(
                "127.0.0.1", self._port, KEEPALIVE_S, bind_address=device.address
            )
            self._flush(device)
        stop = False
        events = self._selector.select(timeout_s)
        self._quiet = not events
        for key, mask in events:
            device = key.data
            if device is None:
                stop = True
                continue
            if mask & READ:
                device.client.loop_read()
            self._flush(device)
        if time.monotonic() > self._misc_at:
            self._misc_at = time.monotonic() + MISC_S
            for device in self.devices.values():
                device.client.loop_misc()
                self._flush(device)
        return stop

    def close(self) -> None:
        """Ends every session in order."""
        for device in self.devices.values():
            device.client.on_disconnect = None
            device.client.disconnect()
            self._flush(device)

    def ledger(self) -> dict[str, Any]:
        """What was acknowledged, device by device."""
        return {
            device.name: {
                "fate": device.fate,
                "acked": device.acked,
                "requests": device.requests,
                "connects": device.connects,
                "version": device.version,
            }
            for device in self.devices.values()
        }

    def _make(
        self, name: str, fate: Fate, tls: ssl.SSLContext | None, *, address: str
    ) -> Device:
        client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=name, clean_session=False
        )
        device = Device(name, fate, client, address)
        client.user_data_set(device)
        if tls is not None:
            client.tls_set_context(tls)
        client.on_socket_open = self._opened
        client.on_socket_close = self._closed
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_subscribe = self._subscribed
        client.on_message = self._received
        client.on_publish = self._published
        return device

    def _queue(self, device: Device) -> None:
        device.waiting = True
        self._to_connect.append(device)

    def _flush(self, device: Device) -> None:
        """Writes what there is; asks to be told when the socket takes more."""
        client = device.client
        if client.want_write():
            client.loop_write()
        sock = client.socket()
        wanted = READ | WRITE if client.want_write() else READ
        if sock is not None and device.registered and device.registered != wanted:
            self._selector.modify(sock, wanted, device)
            device.registered = wanted

    def _say_idle(self) -> None:
        """Once, when nobody has anything to say for the length of a turn."""
        if not self._quiet or self._said_idle:
            return
        if any(device.busy for device in self.devices.values()):
            return
        self._said_idle = True
        acked = sum(len(device.acked) for device in self.devices.values())
        print(json.dumps({"event": "idle", "acked": acked}), flush=True)

    # Callbacks of paho: client, user data, ...

    def _opened(self, _client: Any, device: Device, sock: socket.socket) -> None:
        self._selector.register(sock, READ, device)
        device.registered = READ

    def _closed(self, _client: Any, device: Device, sock: socket.socket) -> None:
        self._selector.unregister(sock)
        device.registered = 0

    def _connected(self, client: Any, device: Device, *_: Any) -> None:
        topics = (f"ota/device/{device.name}/request", f"ota/group/{GROUP}/request")
        client.subscribe([(topic, 1) for topic in topics])

    def _subscribed(self, client: Any, device: Device, *_: Any) -> None:
        device.waiting = False
        self._connecting -= 1
        telemetry = {
            "type": "telemetry",
            "device": device.name,
            "version": device.version,
            "temperature_c": 23.25,
        }
        client.publish(
            f"ota/device/{device.name}/telemetry", _compact(telemetry), qos=1
        )
        if not device.sent:
            self._next(device)

    def _disconnected(self, _client: Any, device: Device, *_: Any) -> None:
        if device.waiting:  # refused or lost before its SUBACK: again
            self._connecting -= 1
        self._queue(device)

    def _received(self, _client: Any, device: Device, message: Any) -> None:
        request = json.loads(message.payload)
        info = bytes.fromhex(request["fw_info"])
        number = request.get("id") or info[80:88].hex()
        device.requests += 1
        if number == device.request:
            return  # a duplicate
        self._said_idle = False
        device.request = number
        (device.target,) = struct.unpack_from("<I", info)
        device.todo.extend(script(device.fate))
        if not device.sent:
            self._next(device)

    def _published(self, _client: Any, device: Device, mid: int, *_: Any) -> None:
        stage = device.sent.pop(mid, None)
        if stage is None:
            return  # telemetry
        device.acked.append(stage)
        if not device.sent:
            self._next(device)

    def _next(self, device: Device) -> None:
        """The next report, or the reset that comes before it."""
        if not device.todo or device.waiting:
            return
        stage = device.todo.popleft()
        if stage is None:
            if device.fate is not Fate.ROLL_BACK:
                device.version = device.target
            self._drop(device)
            return
        for _ in range(2 if device.fate is Fate.TWICE else 1):
            sent = device.client.publish(
                f"ota/device/{device.name}/report", self._report(device, stage), qos=1
            )
            device.sent[sent.mid] = stage
        if device.fate is Fate.CUT and stage == ("downloading", 50):
            device.client.loop_write()
            self._drop(device)  # paho sends it again, marked as a duplicate

    def _drop(self, device: Device) -> None:
        """The connection is gone without a word."""
        sock = device.client.socket()
        if sock is not None:
            sock.shutdown(socket.SHUT_RDWR)

    def _report(self, device: Device, stage: tuple[str, int | None]) -> str:
        name, percent = stage
        report: dict[str, Any] = {
            "type": "update_report",
            "device": device.name,
            "id": device.request,
            "stage": name,
            "version": device.version,
            "target": device.target,
        }
        if percent is not None:
            report["percent"] = percent
        if device.fate in BAD and name == BAD[device.fate][0]:
            _, report["error"], report["reason"] = BAD[device.fate]
        return _compact(report)


def _address(number: int) -> str:
    return f"127.0.1.{1 + number // DEVICES_PER_ADDRESS}"


def _compact(message: dict[str, Any]) -> str:
    return json.dumps(message, separators=(",", ":"))


def main(arguments: Sequence[str] | None = None) -> int:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--devices", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--shares", type=json.loads, default=SHARES)
    parser.add_argument("--tls", nargs=3, metavar=("CA", "CERTIFICATE", "KEY"))
    args = parser.parse_args(arguments)
    raise_file_limit(args.devices)
    tls = None
    if args.tls:
        tls = ssl.create_default_context(cafile=args.tls[0])
        tls.load_cert_chain(args.tls[1], args.tls[2])
    shares = {Fate(name): share for name, share in args.shares.items()}
    fates = plan_fates(args.devices, seed=args.seed, shares=shares)
    fleet = Fleet(fates, port=args.port, tls=tls)
    began = time.monotonic()
    fleet.connect()
    seconds = time.monotonic() - began
    ready = {"event": "ready", "devices": len(fates), "seconds": seconds}
    print(json.dumps(ready), flush=True)
    fleet.run(sys.stdin)
    fleet.close()
    status = Path("/proc/self/status").read_text()
    peak_kb = int(status.split("VmHWM:")[1].split()[0])
    result = {"peak_kb": peak_kb, "devices": fleet.ledger()}
    args.ledger.write_text(json.dumps(result))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
