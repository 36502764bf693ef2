# SPDX-License-Identifier: Apache-2.0
"""ACL: access control lists for flash (nRF52840 PS, ACL).

An instance is armed once ADDR, SIZE and PERM are written with valid values; each
register takes one write per reset, later ones are ignored (read back to see). The
union of armed instances holds, the most restrictive wins, until the next reset.
The NVMC asks `bus.flash_protection`; the CPU hears of read-protected regions by
`bus.acl_changed`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from vboard.clock import Clock
from vboard.errors import GuestError
from vboard.fabric import Bus, IrqLine, Peripheral, ResetKind

WRITE_DISABLE = 1 << 1
READ_DISABLE = 1 << 2
INSTANCES = 8
PAGE_SIZE = 4096
FLASH_SIZE = 0x10_0000
LARGEST_DOCUMENTED = 0x8_0000  # half the flash; larger ones are noted

_FIELDS = {0x0: "ADDR", 0x4: "SIZE", 0x8: "PERM"}
_UNUSED = 0xC

log = logging.getLogger(__name__)


class AclViolation(GuestError):
    """An access to a protected flash page; a BusFault on the chip."""


@dataclass
class _Instance:
    values: dict[str, int] = field(default_factory=dict)

    @property
    def region(self) -> tuple[int, int, int] | None:
        """(address, size, perm) once armed."""
        if len(self.values) < len(_FIELDS):
            return None
        return self.values["ADDR"], self.values["SIZE"], self.values["PERM"]


class Acl(Peripheral):
    """The eight ACL instances at 0x4001E800; shares its page with the NVMC."""

    name = "ACL"
    base = 0x4001_E800
    size = 0x80

    def __init__(self, clock: Clock, bus: Bus, irq: IrqLine | None = None) -> None:
        super().__init__(clock, bus, irq)
        self._instances = [_Instance() for _ in range(INSTANCES)]
        self.regions: list[tuple[int, int, int]] = []  # armed: address, size, PERM
        self._perm = bytearray(FLASH_SIZE // PAGE_SIZE)  # by page
        self.notes: list[str] = []
        bus.flash_protection = self.protection

    def protection(self, address: int) -> int:
        """PERM bits that hold at a flash address: 2 no write or erase, 4 no read."""
        return self._perm[address >> 12]

    def read(self, offset: int) -> int:
        """ADDR, SIZE or PERM of an instance; 0 before it was written."""
        instance, name = self._register(offset)
        return self._instances[instance].values.get(name, 0)

    def write(self, offset: int, value: int) -> None:
        """The first valid write counts; the rest until reset is ignored."""
        index, name = self._register(offset)
        instance = self._instances[index]
        if name == "UNUSED0" or name in instance.values:
            return
        if name == "ADDR" and (value % PAGE_SIZE or value >= FLASH_SIZE):
            raise self.fault(
                f"expected the address of a flash page, got 0x{value:08x}", offset
            )
        if name == "SIZE" and value % PAGE_SIZE:
            raise self.fault(
                f"expected a multiple of {PAGE_SIZE} bytes, got 0x{value:08x}", offset
            )
        if name == "PERM":
            value &= WRITE_DISABLE | READ_DISABLE
        if name != "ADDR" and value == 0:
            return  # no effect, and not the one write
        instance.values[name] = value
        if instance.region is not None:
            self._armed(index)

    def _armed(self, index: int) -> None:
        region = self._instances[index].region
        assert region is not None
        self.regions.append(region)
        start, size, perm = region
        for page in range(start // PAGE_SIZE, (start + size) // PAGE_SIZE):
            if page < len(self._perm):
                self._perm[page] |= perm
        if size > LARGEST_DOCUMENTED:
            note = (
                f"ACL[{index}] covers 0x{size:x} bytes; the data sheet allows at most "
                f"0x{LARGEST_DOCUMENTED:x}"
            )
            if note not in self.notes:
                self.notes.append(note)
                log.warning(note)
        log.debug("ACL[%d] 0x%05x+0x%x perm %d", index, start, size, perm)
        if perm & READ_DISABLE:
            self._tell_cpu()

    def _tell_cpu(self) -> None:
        self.bus.acl_changed(
            [(start, size) for start, size, perm in self.regions if perm & READ_DISABLE]
        )

    def reset(self, kind: ResetKind) -> None:
        """Every reset clears every instance."""
        had_read = any(perm & READ_DISABLE for _, _, perm in self.regions)
        self._instances = [_Instance() for _ in range(INSTANCES)]
        self.regions = []
        self._perm = bytearray(len(self._perm))
        if had_read:
            self._tell_cpu()

    def register_name(self, offset: int) -> str:
        """`ACL[n].ADDR` and so on."""
        name = _FIELDS.get(offset % 0x10, "UNUSED0")
        return f"ACL[{offset // 0x10}].{name}"

    def _register(self, offset: int) -> tuple[int, str]:
        index, rest = divmod(offset, 0x10)
        if rest == _UNUSED:
            return index, "UNUSED0"
        if rest not in _FIELDS or index >= INSTANCES:
            raise self.fault("no register at this offset", offset)
        return index, _FIELDS[rest]
