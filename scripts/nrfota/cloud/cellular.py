# SPDX-License-Identifier: Apache-2.0
"""Bytes that an update moves over the cellular network, itemised.

The payloads are exact; what goes around them is assumed (`Assumptions`), one
number each, so that a capture of one's own network can replace it.

    cellular(Traffic(file_size=524416, gets=5, request_size=379, reports=9))
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace

from nrfota.errors import UsageError

BLOCK = 16
HEADER = 112
PART = 131072  # SPEC.md 13
# accepted, downloading at 0, 25, 50, 75 and 100 %, downloaded, updating, confirmed
REPORTS = 9  # SPEC.md 11
MAX_ASSUMED = 1 << 20

MQTT_PUBLISH = 7  # fixed header of 3, topic length, packet identifier
MQTT_PUBACK = 4


@dataclass(frozen=True)
class Assumptions:
    """Bytes around the payloads. TLS 1.2 without session resumption, IPv4."""

    # A TCP segment: LTE's usual MTU of 1400 less its headers of 40.
    segment: int = 1360
    tcp_ip: int = 40
    # Segments of each side to open and close a connection.
    open_close_segments: int = 4
    # AES-GCM: header 5, nonce 8, tag 16; at most 16 KB in a record.
    tls_record: int = 29
    tls_record_payload: int = 16384
    # Server's certificate chain (two certificates of 2048 bit RSA) and key exchange.
    https_handshake_received: int = 3600
    https_handshake_sent: int = 500
    # The same with the device's own certificate and its proof.
    mqtts_handshake_received: int = 4000
    mqtts_handshake_sent: int = 1900
    # Request line with a presigned URL, status line and S3's headers.
    http_request: int = 700
    http_response: int = 450
    topic: int = 40
    report: int = 180
    # The chip's reset ends the connection once; CONNECT, CONNACK, two SUBSCRIBEs.
    reconnects: int = 1
    mqtt_connect_sent: int = 250
    mqtt_connect_received: int = 14

    def changed(self, settings: Iterable[str]) -> Assumptions:
        """With `NAME=BYTES` applied; raises UsageError."""
        known = [one.name for one in fields(self)]
        result = self
        for setting in settings:
            name, _, text = setting.partition("=")
            if name not in known:
                raise UsageError(
                    f"unknown assumption '{name}', expected one of {', '.join(known)}"
                )
            floor = 1 if name in ("segment", "tls_record_payload") else 0
            if not text.isascii() or not text.isdigit():
                raise UsageError(f"expected {name}=BYTES, got '{setting}'")
            if not floor <= int(text[:9]) <= MAX_ASSUMED or len(text) > 9:
                raise UsageError(
                    f"expected {name} to be {floor}..{MAX_ASSUMED}, got {text}"
                )
            result = replace(result, **{name: int(text)})
        return result


@dataclass(frozen=True)
class Traffic:
    """What one device fetches, is sent and sends."""

    file_size: int
    gets: int
    request_size: int
    reports: int
    https: bool = True
    assumed: Assumptions = field(default_factory=Assumptions)


@dataclass(frozen=True)
class CellularItem:
    """Bytes of one purpose, for one device."""

    name: str
    received: int
    sent: int
    note: str


def file_size(image_size: int) -> int:
    """Bytes of ota.ebin: PKCS#7 padding and the public header (SPEC.md 2)."""
    return image_size + BLOCK - image_size % BLOCK + HEADER


def parts(size: int) -> int:
    """GET requests of a download in parts (SPEC.md 13)."""
    return -(-size // PART)


def cellular(traffic: Traffic) -> list[CellularItem]:
    """The bytes of one device."""
    assumed = traffic.assumed
    gets = traffic.gets
    share = -(-traffic.file_size // gets)
    response = assumed.http_response + share
    items = [
        CellularItem("file", traffic.file_size, 0, "ota.ebin"),
        CellularItem(
            "http", gets * assumed.http_response, gets * assumed.http_request, "headers"
        ),
    ]
    wire = _Wire(assumed)
    for _ in range(gets):  # the modem opens a connection for each request
        wire.connection()
        wire.receive(response)
        wire.send(assumed.http_request)
    if traffic.https:
        records = gets * -(-response // assumed.tls_record_payload)
        items.append(
            CellularItem(
                "https",
                gets * assumed.https_handshake_received + records * assumed.tls_record,
                gets * (assumed.https_handshake_sent + assumed.tls_record),
                "TLS of the downloads",
            )
        )
        wire.receive(assumed.https_handshake_received, times=gets)
        wire.send(assumed.https_handshake_sent, times=gets)
    around = MQTT_PUBLISH + assumed.topic + assumed.tls_record
    puback = MQTT_PUBACK + assumed.tls_record
    request, report = traffic.request_size + around, assumed.report + around
    items.append(CellularItem("request", request, puback, "ota.json, MQTT and TLS"))
    items.append(
        CellularItem(
            "reports",
            traffic.reports * puback,
            traffic.reports * report,
            "update_report, MQTT and TLS",
        )
    )
    wire.receive(request)
    wire.send(puback)
    wire.send(report, times=traffic.reports)
    wire.receive(puback, times=traffic.reports)
    received = assumed.mqtts_handshake_received + assumed.mqtt_connect_received
    sent = assumed.mqtts_handshake_sent + assumed.mqtt_connect_sent
    items.append(
        CellularItem(
            "reconnect",
            assumed.reconnects * received,
            assumed.reconnects * sent,
            "MQTT and TLS after the chip's reset",
        )
    )
    for _ in range(assumed.reconnects):
        wire.connection()
        wire.receive(received)
        wire.send(sent)
    items.append(
        CellularItem(
            "tcp_ip",
            wire.received * assumed.tcp_ip,
            wire.sent * assumed.tcp_ip,
            "headers of segments and acknowledgements",
        )
    )
    return items


class _Wire:
    """Counts TCP segments; every second one is acknowledged by one of its own."""

    def __init__(self, assumed: Assumptions) -> None:
        self._assumed = assumed
        self.received = 0
        self.sent = 0

    def connection(self) -> None:
        self.received += self._assumed.open_close_segments
        self.sent += self._assumed.open_close_segments

    def receive(self, size: int, *, times: int = 1) -> None:
        segments = -(-size // self._assumed.segment)
        self.received += times * segments
        self.sent += times * -(-segments // 2)

    def send(self, size: int, *, times: int = 1) -> None:
        segments = -(-size // self._assumed.segment)
        self.sent += times * segments
        self.received += times * -(-segments // 2)
