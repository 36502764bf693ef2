# SPDX-License-Identifier: Apache-2.0
"""FICR: factory information (nRF52840 PS, FICR). Read only, made once per chip."""

from __future__ import annotations

import enum
import random
from typing import TYPE_CHECKING

from vboard.clock import Clock
from vboard.fabric import Bus, IrqLine, Peripheral, ResetKind

if TYPE_CHECKING:
    from vboard.nv import NvMemory

SIZE = 0x1000
PART = 0x0005_2840
VARIANT_AAD0 = 0x4141_4430  # 'AAD0', Rev 2


class FicrRegister(enum.IntEnum):
    """Offsets (PS, FICR, Registers)."""

    CODEPAGESIZE = 0x010
    CODESIZE = 0x014
    DEVICEID0 = 0x060
    DEVICEID1 = 0x064
    ER0 = 0x080
    IR0 = 0x090
    DEVICEADDRTYPE = 0x0A0
    DEVICEADDR0 = 0x0A4
    DEVICEADDR1 = 0x0A8
    INFO_PART = 0x100
    INFO_VARIANT = 0x104
    INFO_PACKAGE = 0x108
    INFO_RAM = 0x10C
    INFO_FLASH = 0x110
    PRODTEST0 = 0x350
    TEMP_A0 = 0x404
    TEMP_B0 = 0x41C
    TEMP_T0 = 0x434
    TRNG90B_BYTES = 0xC00


# TEMP calibration (PS, FICR, TEMP: the documented values).
_ONES = 0xFFFF_FFFF
TEMP_A = (0xFFFFF320, 0xFFFFF343, 0xFFFFF35D, 0xFFFFF400, 0xFFFFF452, 0xFFFFF37B)
TEMP_B = (0xFFFF3FCC, 0xFFFF3F98, 0xFFFF3F98, 0xFFFF0012, 0xFFFF004D, 0xFFFF3E10)
TEMP_T = (0xFFFFFFE2, 0xFFFFFF00, 0xFFFFFF14, 0xFFFFFF19, 0xFFFFFF50)
# TRNG90B: BYTES, RCCUTOFF, APCUTOFF, STARTUP, ROSC1..ROSC4 (PS, FICR, TRNG90B).
TRNG90B = (_ONES, _ONES, _ONES, 0x210, _ONES, _ONES, _ONES, _ONES)


def ficr_contents(*, seed: int, variant: int = VARIANT_AAD0) -> bytes:
    """The 4096 bytes of a chip's FICR; ids and roots follow from `seed`."""
    words = dict.fromkeys(range(0, SIZE, 4), _ONES)
    rng = random.Random(f"ficr:{seed}")
    register = FicrRegister
    words[register.CODEPAGESIZE] = 0x1000
    words[register.CODESIZE] = 0x100
    for base, count in ((register.DEVICEID0, 2), (register.ER0, 4), (register.IR0, 4)):
        for index in range(count):
            words[base + 4 * index] = rng.getrandbits(32)
    words[register.DEVICEADDRTYPE] = _ONES  # bit 0: random address
    words[register.DEVICEADDR0] = rng.getrandbits(32)
    words[register.DEVICEADDR1] = rng.getrandbits(16) | 0xFFFF_C000
    words[register.INFO_PART] = PART
    words[register.INFO_VARIANT] = variant
    words[register.INFO_PACKAGE] = 0x2004  # QI
    words[register.INFO_RAM] = 0x100  # KiB
    words[register.INFO_FLASH] = 0x400  # KiB
    words[0x130] = 0x08  # revision words that errata checks read
    words[0x134] = 0x03  # Rev 2
    words[register.PRODTEST0] = 0xBB42_319F
    for base, values in (
        (register.TEMP_A0, TEMP_A),
        (register.TEMP_B0, TEMP_B),
        (register.TEMP_T0, TEMP_T),
        (register.TRNG90B_BYTES, TRNG90B),
    ):
        for index, value in enumerate(values):
            words[base + 4 * index] = value
    return b"".join(words[offset].to_bytes(4, "little") for offset in sorted(words))


class Ficr(Peripheral):
    """Read window on `nv.ficr`; a store is a fault (the NVMC raises it)."""

    name = "FICR"
    base = 0x1000_0000
    size = SIZE

    def __init__(
        self, clock: Clock, bus: Bus, irq: IrqLine | None = None, *, nv: NvMemory
    ) -> None:
        super().__init__(clock, bus, irq)
        self._nv = nv

    def read(self, offset: int) -> int:
        """The word at `offset`; undefined words read as ones."""
        return int.from_bytes(self._nv.ficr[offset : offset + 4], "little")

    def write(self, offset: int, value: int) -> None:
        """Always goes to the NVMC, which refuses it."""
        self.bus.flash_store(self.base + offset, 4, value)

    def reset(self, kind: ResetKind) -> None:
        """Nothing: factory information has no volatile state."""

    def register_name(self, offset: int) -> str:
        """Data-sheet name, where there is one."""
        try:
            return FicrRegister(offset).name
        except ValueError:
            return super().register_name(offset)
