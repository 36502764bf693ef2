# SPDX-License-Identifier: Apache-2.0
"""Intel HEX: reads to segments, writes from segments.

Every record's length and checksum are checked; a message names the line. Data
after the end-of-file record, and a file without one, are refused. A record may
cross a 64 KB boundary behind a linear base (type 04), not behind a segment's (02),
where its address would wrap.
Format: Intel, "Hexadecimal Object File Format Specification", 1988.

    segments = read_hex(path.read_bytes(), source="app.hex")
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable, Iterator

from nrfota.errors import FormatError
from nrfota.segment import Segment, in_order

DATA, END, SEGMENT_BASE, SEGMENT_START, LINEAR_BASE, LINEAR_START = range(6)
LENGTHS = {END: 0, SEGMENT_BASE: 2, SEGMENT_START: 4, LINEAR_BASE: 2, LINEAR_START: 4}
BYTES_PER_LINE = 32
WINDOW = 1 << 16


def read_hex(data: bytes, *, source: str) -> tuple[Segment, ...]:
    """The segments of a HEX file, by address; raises FormatError."""
    base, in_segment = 0, False
    runs: list[tuple[int, bytearray, int]] = []
    expected = -1
    ended = False
    for line, kind, offset, payload in _records(data, source):
        if ended:
            raise FormatError(
                f"{source}: line {line}: expected nothing after the end-of-file record"
            )
        if kind == DATA:
            address = base + offset
            if in_segment and offset + len(payload) > WINDOW:
                raise FormatError(
                    f"{source}: line {line}: the record at 0x{address:08x} crosses a "
                    "64 KB boundary of its segment"
                )
            if address != expected:
                runs.append((address, bytearray(), line))
            runs[-1][1].extend(payload)
            expected = address + len(payload)
        elif kind == END:
            ended = True
        elif kind == SEGMENT_BASE:
            base, in_segment = int.from_bytes(payload) << 4, True
        elif kind == LINEAR_BASE:
            base, in_segment = int.from_bytes(payload) << 16, False
    if not ended:
        raise FormatError(f"{source}: expected an end-of-file record at the end")
    segments = [
        Segment(address, bytes(run), f"data of line {line}")
        for address, run, line in runs
        if run
    ]
    if not segments:
        raise FormatError(f"{source}: no data record")
    try:
        return _joined(in_order(segments))
    except FormatError as error:
        raise FormatError(f"{source}: {error}") from None


def write_hex(segments: Iterable[Segment]) -> str:
    """The text of a HEX file; raises FormatError when segments overlap."""
    lines = []
    upper = -1
    for segment in in_order(segments):
        data = bytes(segment.data)
        done = 0
        while done < len(data):
            at = segment.address + done
            if at >> 16 != upper:
                upper = at >> 16
                lines.append(_record(LINEAR_BASE, 0, upper.to_bytes(2)))
            count = min(BYTES_PER_LINE - at % BYTES_PER_LINE, len(data) - done)
            lines.append(_record(DATA, at & 0xFFFF, data[done : done + count]))
            done += count
    lines.append(_record(END, 0, b""))
    return "\n".join(lines) + "\n"


def _records(data: bytes, source: str) -> Iterator[tuple[int, int, int, bytes]]:
    """(line number, record type, offset, payload) of every record."""
    for line, raw in enumerate(data.splitlines(), 1):
        text = raw.strip()
        if not text:
            continue
        where = f"{source}: line {line}"
        if not text.startswith(b":"):
            raise FormatError(
                f"{where}: expected a record starting with ':', got {text[:8]!r}"
            )
        try:
            record = binascii.unhexlify(text[1:])
        except binascii.Error:
            raise FormatError(
                f"{where}: expected pairs of hex digits after ':'"
            ) from None
        if len(record) < 5 or len(record) != record[0] + 5:
            expected = record[0] + 5 if record else 5
            raise FormatError(
                f"{where}: expected a record of {expected} bytes, got {len(record)}"
            )
        if sum(record) & 0xFF:
            checksum = -sum(record[:-1]) & 0xFF
            raise FormatError(
                f"{where}: expected checksum {checksum:02X}, got {record[-1]:02X}"
            )
        kind, payload = record[3], record[4:-1]
        if kind not in LENGTHS and kind != DATA:
            raise FormatError(f"{where}: expected record type 0 to 5, got {kind}")
        if kind != DATA and len(payload) != LENGTHS[kind]:
            raise FormatError(
                f"{where}: expected {LENGTHS[kind]} bytes in a record of type {kind}, "
                f"got {len(payload)}"
            )
        yield line, kind, int.from_bytes(record[1:3]), payload


def _joined(segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
    """Neighbours made one."""
    groups: list[list[Segment]] = []
    for segment in segments:
        if groups and groups[-1][-1].end == segment.address:
            groups[-1].append(segment)
        else:
            groups.append([segment])
    return tuple(
        Segment(
            group[0].address,
            b"".join(segment.data for segment in group),
            group[0].origin,
        )
        for group in groups
    )


def _record(kind: int, offset: int, payload: bytes) -> str:
    record = bytes([len(payload), offset >> 8, offset & 0xFF, kind]) + payload
    return f":{record.hex()}{-sum(record) & 0xFF:02x}".upper()
