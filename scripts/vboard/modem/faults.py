# SPDX-License-Identifier: Apache-2.0
"""The public fault plan of the modem.

A fault waits for an event: a command (`Delay`, `OverrideReply`, `Urc`, ...), a
block of counted data that a command sends (`Stall`, `GarbleHeader`, ...), or a byte.
`command` is the AT name without `+` ("*" = any), `nth` the first matching event that
fires (1-based, counted since the plan was made), `times` how many fire from there
(0 = all). `fired` says how often it happened: a test that plans a fault checks it.

    plan = FaultPlan(Stall(command="CFTRANTX", nth=7, ms=5000))
    plan = FaultPlan.parse("stall:command=CFTRANTX,nth=7,ms=5000; splitevery:size=3")
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from vboard.errors import VboardError


class FaultError(VboardError):
    """A fault plan's text is not understood."""


@dataclass(kw_only=True, eq=False)
class Fault:
    """Base: which events it hits, and how often it did."""

    command: str = "*"
    nth: int = 1
    times: int = 1
    seen: int = field(default=0, init=False)
    fired: int = field(default=0, init=False)

    def hits(self, command: str) -> bool:
        """Counts one event; True when the fault happens at it."""
        if self.command not in ("*", command):
            return False
        self.seen += 1
        if self.seen < self.nth or (self.times and self.seen >= self.nth + self.times):
            return False
        self.fired += 1
        return True


# Command events


@dataclass(kw_only=True, eq=False)
class Delay(Fault):
    """The command starts `ms` later."""

    ms: int = 1000


@dataclass(kw_only=True, eq=False)
class OverrideReply(Fault):
    """The command is not executed; `reply` lines ("|" between them) come instead."""

    reply: str = "ERROR"


@dataclass(kw_only=True, eq=False)
class Silence(Fault):
    """The command is executed, its result never printed."""


@dataclass(kw_only=True, eq=False)
class Dead(Fault):
    """From this command on nothing is heard or said for `ms`; supply off cures it."""

    ms: int = 60_000


@dataclass(kw_only=True, eq=False)
class Reboot(Fault):
    """The modem reboots instead of executing the command."""


@dataclass(kw_only=True, eq=False)
class RebootLater(Fault):
    """The command begins, and the modem reboots `after_ms` later."""

    after_ms: int = 400


@dataclass(kw_only=True, eq=False)
class NetworkLost(Fault):
    """`after_ms` after the command began the radio network is gone for `ms`.

    `mqtt`: what the MQTT service says of it, `nonet` (+CMQTTNONET, everything is to
    be started again) or `connlost` (+CMQTTCONNLOST with reason 3 for each client).
    """

    ms: int = 60_000
    after_ms: int = 0
    mqtt: str = "nonet"

    def __post_init__(self) -> None:
        if self.mqtt not in ("nonet", "connlost"):
            raise FaultError(
                f"fault networklost: expected mqtt to be nonet or connlost, "
                f"got {self.mqtt!r}"
            )


@dataclass(kw_only=True, eq=False)
class RebootInUpload(Fault):
    """The modem reboots after `offset` bytes of the data that a prompt asked for."""

    offset: int = 100


@dataclass(kw_only=True, eq=False)
class MissingFile(Fault):
    """The file system command does not find what it is asked for."""


@dataclass(kw_only=True, eq=False)
class NoDrive(Fault):
    """`drive` is not there (an event is any look at a drive of that letter)."""

    drive: str = "E"


@dataclass(kw_only=True, eq=False)
class ShortRead(Fault):
    """A read of file data returns `missing` bytes less than asked, at its end."""

    missing: int = 1


@dataclass(kw_only=True, eq=False)
class Urc(Fault):
    """An unsolicited line at a bad moment of the command.

    `where`: `before` (before any reply), `before_result` (just before OK or ERROR),
    `before_block`, `in_data` (after `offset` bytes of a block's counted data).
    For the last two an event is a block.
    """

    text: str = "+CREG: 1"
    count: int = 1
    where: str = "before_result"
    offset: int = 0

    def __post_init__(self) -> None:
        places = ("before", "before_result", "before_block", "in_data")
        if self.where not in places:
            raise FaultError(
                f"fault urc: expected where to be one of {', '.join(places)}, "
                f"got {self.where!r}"
            )


# Block events: one per block of counted data


@dataclass(kw_only=True, eq=False)
class GarbleHeader(Fault):
    """The header line of the block arrives with other characters."""


@dataclass(kw_only=True, eq=False)
class StopBeforeBlock(Fault):
    """The block and all that follows are never sent; the port accepts commands."""


@dataclass(kw_only=True, eq=False)
class Stall(Fault):
    """Nothing for `ms` after `offset` bytes of the block."""

    ms: int = 5000
    offset: int = 0


@dataclass(kw_only=True, eq=False)
class RebootInBlock(Fault):
    """The modem reboots after `offset` bytes of the block."""

    offset: int = 100


# Byte events


@dataclass(kw_only=True, eq=False)
class ByteFault(Fault):
    """Base of the byte faults.

    `stream`: `data` (offset inside the counted data of the block that is the event),
    `tx` (modem to host) or `rx` (host to modem): offset since the plan was made.
    """

    stream: str = "data"
    offset: int = 0

    def __post_init__(self) -> None:
        if self.stream not in ("data", "tx", "rx"):
            raise FaultError(
                f"fault: expected stream to be data, tx or rx, got {self.stream!r}"
            )

    def change(self, byte: int) -> bytes:
        """What travels instead of `byte`."""
        raise NotImplementedError


@dataclass(kw_only=True, eq=False)
class DropByte(ByteFault):
    """The byte is lost."""

    def change(self, byte: int) -> bytes:
        return b""


@dataclass(kw_only=True, eq=False)
class DuplicateByte(ByteFault):
    """The byte comes twice."""

    def change(self, byte: int) -> bytes:
        return bytes((byte, byte))


@dataclass(kw_only=True, eq=False)
class FlipByte(ByteFault):
    """The bits of `mask` are inverted."""

    mask: int = 0x01

    def change(self, byte: int) -> bytes:
        return bytes((byte ^ self.mask,))


@dataclass(kw_only=True, eq=False)
class SplitEvery(Fault):
    """Everything the modem sends comes in pieces of `size` with gaps of `gap_us`."""

    size: int = 1
    gap_us: int = 500
    times: int = 0


_KINDS: dict[str, type[Fault]] = {
    kind.__name__.lower(): kind
    for kind in (
        Delay,
        OverrideReply,
        Silence,
        Dead,
        Reboot,
        RebootLater,
        NetworkLost,
        RebootInUpload,
        MissingFile,
        NoDrive,
        ShortRead,
        Urc,
        GarbleHeader,
        StopBeforeBlock,
        Stall,
        RebootInBlock,
        DropByte,
        DuplicateByte,
        FlipByte,
        SplitEvery,
    )
}

F = TypeVar("F", bound=Fault)


class FaultPlan:
    """The faults of one modem."""

    def __init__(self, *faults: Fault) -> None:
        self.faults = list(faults)
        self._offsets = {"tx": 0, "rx": 0}

    def add(self, fault: F) -> F:
        """Plans one more fault; returns it."""
        self.faults.append(fault)
        return fault

    @classmethod
    def parse(cls, text: str) -> FaultPlan:
        """`kind:key=value,key=value; kind:...`; kinds are the class names."""
        return cls(*(_parse(item) for item in text.split(";") if item.strip()))

    def _of(self, kind: type[F]) -> Iterator[F]:
        return (fault for fault in self.faults if type(fault) is kind)

    def hit(self, kind: type[F], command: str) -> F | None:
        """Counts an event for every fault of `kind`; the first that fires."""
        hits = [fault for fault in self._of(kind) if fault.hits(command)]
        return hits[0] if hits else None

    def urcs(self, where: str, command: str) -> list[Urc]:
        """The URC faults of this place that fire now."""
        return [f for f in self._of(Urc) if f.where == where and f.hits(command)]

    def no_drive(self, drive: str) -> bool:
        """True when the drive is to be missing at this look."""
        return any([f.hits("*") for f in self._of(NoDrive) if f.drive.upper() == drive])

    def block(self, data: bytes, command: str) -> bytes:
        """The counted data of one block as it travels."""
        hits = [
            fault
            for fault in self.faults
            if isinstance(fault, ByteFault)
            and fault.stream == "data"
            and fault.offset < len(data)
            and fault.hits(command)
        ]
        return _change(data, [(fault.offset, fault) for fault in hits])

    def stream(self, name: str, data: bytes) -> bytes:
        """Bytes of the `tx` or `rx` stream as they travel."""
        start = self._offsets[name]
        self._offsets[name] = end = start + len(data)
        hits = [
            (fault.offset - start, fault)
            for fault in self.faults
            if isinstance(fault, ByteFault)
            and fault.stream == name
            and start <= fault.offset < end
            and fault.hits("*")
        ]
        return _change(data, hits) if hits else data

    def split(self) -> SplitEvery | None:
        """How what is sent now is to be split."""
        return self.hit(SplitEvery, "*")


def _change(data: bytes, hits: list[tuple[int, ByteFault]]) -> bytes:
    for offset, fault in sorted(hits, key=lambda hit: hit[0], reverse=True):
        data = data[:offset] + fault.change(data[offset]) + data[offset + 1 :]
    return data


def _parse(item: str) -> Fault:
    name, _, rest = item.strip().partition(":")
    kind = _KINDS.get(name.strip().lower())
    if kind is None:
        raise FaultError(
            f"fault plan: expected one of {', '.join(sorted(_KINDS))}, got {name!r}"
        )
    types: dict[str, Any] = {
        f.name: f.default for f in dataclasses.fields(kind) if f.init
    }
    values: dict[str, Any] = {}
    for pair in rest.split(",") if rest.strip() else ():
        key, equals, value = pair.partition("=")
        key = key.strip()
        if not equals or key not in types:
            raise FaultError(
                f"fault {name}: expected {', '.join(sorted(types))} as key=value, "
                f"got {pair.strip()!r}"
            )
        if isinstance(types[key], int):
            try:
                values[key] = int(value, 0)
            except ValueError:
                raise FaultError(
                    f"fault {name}: expected a number for {key}, got {value!r}"
                ) from None
        else:
            values[key] = value.strip()
    return kind(**values)
