# SPDX-License-Identifier: Apache-2.0
"""The journal in flash: two pages of append-only records (SPEC.md 7).

Rule 1: `read_journal` accepts any bytes: what is not valid is reported, never
        an exception.
Rule 2: the page that counts is chosen as the bootloader does.
Rule 3: records carry keys; repr does not show them.

    flash = factory_journal(info, path="E:/fw_1.ebin", page_size=4096)
    read_journal(flash, page_size=4096).state.current.fw_info.version
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum

from nrfota.errors import FormatError, UsageError
from nrfota.fw_info import FwInfo

MAGIC = 0x4A41544F  # "OTAJ"
HEADER = struct.Struct(
    "<I"  # magic
    "I"  # sequence
    "I"  # snapshot_size
    "I"  # crc
    "I"  # sealed
)
SEALS = slice(16, 32)  # words; one that is 0 seals the page
RECORDS = 32  # offset of the first record
RECORD_HEAD = struct.Struct(
    "<B"  # type
    "B"  # 0
    "H"  # length
)
CRC_SIZE = 4
MAX_PAYLOAD = 512
PATH_SIZE = 64
BLANK_WORD = 0xFFFFFFFF
PATH = re.compile(r"[A-Z]:/[!#-.0-\[\]-~]+\Z")


class RecordType(IntEnum):
    """Record types (SPEC.md 7.2)."""

    CURRENT = 1
    PENDING = 2
    PREVIOUS = 3
    STEP = 4
    PAGE_DONE = 5
    ATTEMPT = 6
    TOKEN = 7


class Step(IntEnum):
    """Update steps (SPEC.md 7.3)."""

    IDLE = 0
    CHECK = 1
    PROGRAM = 2
    VERIFY = 3
    TRIAL = 4
    ROLLBACK = 5
    COPY_BOOTLOADER = 6


VERSIONS = (RecordType.CURRENT, RecordType.PENDING, RecordType.PREVIOUS)
LENGTHS = {
    RecordType.CURRENT: FwInfo.SIZE + PATH_SIZE,
    RecordType.PENDING: FwInfo.SIZE + PATH_SIZE,
    RecordType.PREVIOUS: FwInfo.SIZE + PATH_SIZE,
    RecordType.STEP: 8,
    RecordType.PAGE_DONE: 4,
    RecordType.ATTEMPT: 4,
    RecordType.TOKEN: 4,
}


@dataclass(frozen=True)
class Version:
    """An image and where its file is in the modem; "" means nowhere."""

    fw_info: FwInfo
    path: str

    def pack(self) -> bytes:
        """Payload of CURRENT, PENDING and PREVIOUS."""
        return self.fw_info.pack() + self.path.encode("ascii").ljust(PATH_SIZE, b"\0")

    @classmethod
    def unpack(cls, data: bytes) -> Version:
        """Checks a payload; raises FormatError."""
        size = FwInfo.SIZE + PATH_SIZE
        if len(data) != size:
            raise FormatError(f"version: expected {size} bytes, got {len(data)}")
        return cls(FwInfo.unpack(data[: FwInfo.SIZE]), _path(data[FwInfo.SIZE :]))


@dataclass(frozen=True)
class Record:
    """One record; `offset` is its place in the page."""

    type: int
    payload: bytes = field(repr=False)
    offset: int = 0

    def pack(self) -> bytes:
        """The bytes in flash."""
        body = RECORD_HEAD.pack(self.type, 0, len(self.payload)) + self.payload
        return body + struct.pack("<I", zlib.crc32(body))

    @property
    def name(self) -> str:
        """The type's name, or its number."""
        try:
            return RecordType(self.type).name
        except ValueError:
            return f"type {self.type}"


@dataclass(frozen=True)
class Page:
    """One page; `problem` says why it is not usable."""

    problem: str
    sequence: int = 0
    snapshot_size: int = 0
    sealed: bool = False
    records: tuple[Record, ...] = ()
    records_end: int = RECORDS
    clean: bool = True

    @property
    def usable(self) -> bool:
        """Whether magic and CRC hold."""
        return not self.problem

    @property
    def appended(self) -> int:
        """Records behind the snapshot."""
        end = RECORDS + self.snapshot_size
        return sum(record.offset >= end for record in self.records)


@dataclass(frozen=True)
class State:
    """What the records add up to."""

    current: Version | None = None
    pending: Version | None = None
    previous: tuple[Version, ...] = ()  # newest first
    step: int = Step.IDLE
    error: int = 0
    pages_done: tuple[int, ...] = ()
    attempts: tuple[int, ...] = ()  # RESETREAS of each
    token: int | None = None


@dataclass(frozen=True)
class Journal:
    """Both pages, the one that counts (None when neither does), and its state.

    `problems` are what resets can leave behind too; `bad_records` have a good CRC
    and content that makes no sense.
    """

    pages: tuple[Page, ...]
    active: int | None
    state: State
    problems: tuple[str, ...]
    bad_records: tuple[str, ...] = ()


def check_path(path: str) -> str:
    """Returns a modem path like `E:/fw_1.ebin`; raises UsageError."""
    if not PATH.match(path) or len(path) >= PATH_SIZE:
        raise UsageError(
            f"modem path: expected DRIVE:/NAME like E:/fw_1.ebin, at most "
            f"{PATH_SIZE - 1} characters, got '{path}'"
        )
    return path


def factory_journal(info: FwInfo, *, path: str, page_size: int) -> bytes:
    """Both pages of a device that runs `info` and was never updated.

    `path` is where the modem keeps the image's file, "" when it has none; then
    the key is of no use and is left out.
    """
    version = Version(info if path else info.public(), check_path(path) if path else "")
    step = struct.pack("<Ii", Step.IDLE, 0)
    snapshot = (
        Record(RecordType.CURRENT, version.pack()),
        Record(RecordType.STEP, step),
    )
    return build_page(snapshot, sequence=1, page_size=page_size) + b"\xff" * page_size


def build_page(
    snapshot: Iterable[Record],
    *,
    sequence: int,
    page_size: int,
    appended: Iterable[Record] = (),
) -> bytes:
    """A sealed page; raises FormatError when the records do not fit."""
    body = b"".join(record.pack() for record in snapshot)
    head = struct.pack("<III", MAGIC, sequence, len(body))
    crc = zlib.crc32(head + body)
    page = head + struct.pack("<II", crc, 0)
    page = page.ljust(RECORDS, b"\xff") + body
    page += b"".join(record.pack() for record in appended)
    if len(page) > page_size:
        raise FormatError(
            f"journal: records end at {len(page)}, expected at most {page_size}"
        )
    return page.ljust(page_size, b"\xff")


def read_journal(data: bytes, *, page_size: int) -> Journal:
    """Decodes a journal region; never raises for the content of `data`."""
    pages = tuple(
        read_page(data[at : at + page_size]) for at in range(0, len(data), page_size)
    )
    active = _choose(pages)
    problems = [
        f"page {index}: {page.problem}"
        for index, page in enumerate(pages)
        if page.problem and page.problem != "blank"
    ]
    if active is None:
        problems.append("neither page is usable")
        return Journal(pages, None, State(), tuple(problems))
    state, bad = _replay(pages[active])
    if not pages[active].clean:
        problems.append(
            f"page {active}: bytes behind the last valid record are not blank"
        )
    return Journal(pages, active, state, tuple(problems), tuple(bad))


def read_page(data: bytes) -> Page:
    """Decodes one page; never raises."""
    if len(data) < RECORDS:
        return Page(f"expected at least {RECORDS} bytes, got {len(data)}")
    if data.count(0xFF) == len(data):
        return Page("blank")
    magic, sequence, size, crc, _ = HEADER.unpack_from(data)
    seals = struct.unpack("<4I", data[SEALS])
    if magic != MAGIC:
        return Page(f"expected magic 0x{MAGIC:08x}, got 0x{magic:08x}")
    if RECORDS + size > len(data):
        return Page(f"snapshot of {size} bytes does not fit the page", sequence)
    expected = zlib.crc32(data[:12] + data[RECORDS : RECORDS + size])
    if crc != expected:
        return Page(f"expected crc 0x{expected:08x}, got 0x{crc:08x}", sequence)
    records, end = _records(data)
    return Page(
        problem="",
        sequence=sequence,
        snapshot_size=size,
        sealed=0 in seals,
        records=records,
        records_end=end,
        clean=data.count(0xFF, end) == len(data) - end,
    )


def _records(data: bytes) -> tuple[tuple[Record, ...], int]:
    records = []
    at = RECORDS
    while at + RECORD_HEAD.size + CRC_SIZE <= len(data):
        kind, zero, length = RECORD_HEAD.unpack_from(data, at)
        end = at + RECORD_HEAD.size + length
        if zero or length % 4 or length > MAX_PAYLOAD or end + CRC_SIZE > len(data):
            break
        (crc,) = struct.unpack_from("<I", data, end)
        if crc != zlib.crc32(data[at:end]):
            break
        records.append(Record(kind, data[at + RECORD_HEAD.size : end], at))
        at = end + CRC_SIZE
    return tuple(records), at


def _choose(pages: tuple[Page, ...]) -> int | None:
    usable = [index for index, page in enumerate(pages) if page.usable]
    if not usable:
        return None
    usable.sort(key=lambda index: pages[index].sequence)
    newest = usable[-1]
    if len(usable) == 1 or pages[newest].sealed or pages[newest].appended:
        return newest
    return usable[-2]


def _replay(page: Page) -> tuple[State, list[str]]:
    fields: dict[str, object] = {}
    previous: list[Version] = []
    done: list[int] = []
    attempts: list[int] = []
    problems = []
    for record in page.records:
        where = f"{record.name} at offset {record.offset}"
        try:
            kind = RecordType(record.type)
        except ValueError:
            problems.append(f"{where}: unknown record type")
            continue
        if len(record.payload) != LENGTHS[kind]:
            problems.append(
                f"{where}: expected {LENGTHS[kind]} bytes, got {len(record.payload)}"
            )
            continue
        if kind in VERSIONS:
            try:
                version = Version.unpack(record.payload)
            except FormatError as error:
                problems.append(f"{where}: {error}")
                continue
            if kind is RecordType.PREVIOUS:
                previous.insert(0, version)
            else:
                fields[kind.name.lower()] = version
        elif kind is RecordType.STEP:
            fields["step"], fields["error"] = struct.unpack("<Ii", record.payload)
            done, attempts = [], []
        else:
            (word,) = struct.unpack("<I", record.payload)
            if kind is RecordType.PAGE_DONE:
                done.append(word)
            elif kind is RecordType.ATTEMPT:
                attempts.append(word)
            else:
                fields["token"] = word
    state = State(
        previous=tuple(previous),
        pages_done=tuple(done),
        attempts=tuple(attempts),
        **fields,  # type: ignore[arg-type]
    )
    return state, problems


def _path(data: bytes) -> str:
    text, _, padding = data.partition(b"\0")
    if len(text) == len(data) or padding.strip(b"\0") or not text.isascii():
        raise FormatError("path: expected ASCII text, NUL terminated and padded")
    return text.decode("ascii")
