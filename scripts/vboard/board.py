# SPDX-License-Identifier: Apache-2.0
"""One nRF52840 on a board: clock, bus, blocks, core, and the four kinds of reset.

    nv = NvMemory(seed=1)
    load_files(nv, [Path("app.hex")])
    board = Board(nv, seed=1)
    board.uart(0).tx.on_burst = lambda burst: print(burst.data)
    board.run(until_ns=NS_PER_S)

Rule 1: the non-volatile memory is passed in and outlives the board.
Rule 2: a `PowerCut` that comes out of `run` leaves a dead board; `power_cycle`
        brings it back.
Rule 3: RAM survives soft and lockup reset; pin and watchdog reset keep it unless
        `corrupt_ram` is set (PS, POWER, Reset behaviour); power-on fills it with
        seeded noise, and so does System OFF in sections that RAM[n].POWER does not
        retain.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from typing import Any

from vboard.blocks import make_blocks
from vboard.clock import Clock
from vboard.core import Core
from vboard.cpu_memory import FICR_BASE, RAM_BASE, RAM_SIZE, UICR_BASE
from vboard.cpu_stop import RunEnd
from vboard.errors import PowerCut, VboardError
from vboard.fabric import Bus, Peripheral, ResetKind
from vboard.nv import NvMemory
from vboard.peripherals.acl import AclViolation
from vboard.peripherals.clock_power import ClockPower
from vboard.peripherals.nvmc import FlashStoreFault

RAM_SECTION = 0x1000  # the smallest one that has its own retention bit
ROM_TABLE = {
    0x000: 0xFFF0_F003,  # the ROM table of the processor at 0xE00FF000
    0xFCC: 0x1,
    0xFD0: 0x02,  # peripheral id: Nordic, part 8 (nRF52840)
    0xFE0: 0x08,
    0xFE4: 0x40,
    0xFE8: 0x2C,
    0xFF0: 0x0D,
    0xFF4: 0x10,
    0xFF8: 0x05,
    0xFFC: 0xB1,
}


class Board:
    """A powered nRF52840. `faults` is "strict" or "guest" (see `core`)."""

    def __init__(
        self,
        nv: NvMemory,
        *,
        seed: int = 0,
        faults: str = "strict",
        corrupt_ram: bool = False,
    ) -> None:
        if faults not in ("strict", "guest"):
            raise ValueError(f"expected faults 'strict' or 'guest', got {faults!r}")
        self.nv = nv
        self.seed = seed
        self.corrupt_ram = corrupt_ram
        self.clock = Clock()
        self.bus = Bus()
        self.on_reset: list[Callable[[ResetKind], None]] = []
        self.resets = 0
        self._dead = False
        self.core = Core(
            clock=self.clock,
            bus=self.bus,
            faults=faults,
            bus_errors=(AclViolation, FlashStoreFault),
        )
        self.core.do_reset = self._do_reset
        self._add_blocks()
        self._attach_memory()
        self._power_on()

    def _add_blocks(self) -> None:
        for block in make_blocks(
            clock=self.clock,
            bus=self.bus,
            nv=self.nv,
            seed=self.seed,
            on_irq=self.core.nvic.line_changed,
        ):
            self.bus.add(block)
        self.bus.signal("DETECT").watch(self._detect)

    def _detect(self, level: int | None) -> None:
        """A pin's SENSE condition wakes the chip from System OFF."""
        if level and self.core.off:
            self.bus.request_reset(ResetKind.SYSTEM_OFF)

    def _attach_memory(self) -> None:
        nv, cpu = self.nv, self.core.cpu
        cpu.load_flash(0, bytes(nv.flash))
        cpu.load_flash(FICR_BASE, nv.ficr)
        cpu.load_flash(UICR_BASE, bytes(nv.uicr))
        for offset, value in ROM_TABLE.items():
            cpu.load_rom_table(offset, struct.pack("<I", value))
        nv.on_change, nv.on_word = self._nv_changed, cpu.load_word
        self._denied: list[tuple[int, int]] = []
        self.bus.acl_changed = self._acl_changed

    def _nv_changed(self, address: int, size: int) -> None:
        data = self.nv.read(address, size)
        self.core.cpu.load_flash(address, data)

    def _acl_changed(self, regions: list[tuple[int, int]]) -> None:
        cpu = self.core.cpu
        for address, size in self._denied:
            cpu.protect_reads(address, size, denied=False)
        self._denied = list(regions)
        for address, size in regions:
            cpu.protect_reads(address, size, denied=True)

    # Resets

    def _power_on(self) -> None:
        self.nv.power_up()
        self._dead = False
        self._do_reset(ResetKind.POWER_ON)

    def _do_reset(self, kind: ResetKind) -> None:
        self.resets += 1
        if kind is ResetKind.POWER_ON:
            noise = random.Random(f"{self.seed}:{self.resets}:ram")
            self.core.cpu.ram_write(RAM_BASE, noise.randbytes(RAM_SIZE))
        elif kind is ResetKind.SYSTEM_OFF:
            self._lose_ram()
        elif self.corrupt_ram and kind in (ResetKind.PIN, ResetKind.WATCHDOG):
            self._flip_ram_bits()
        for block in self.bus.blocks:
            block.reset(kind)
        self.core.start()
        for call in list(self.on_reset):
            call(kind)

    def _lose_ram(self) -> None:
        """What happens in System OFF to RAM without retention."""
        rng = random.Random(f"{self.seed}:{self.resets}:off")
        clock_power = self.block("CLOCK")
        assert isinstance(clock_power, ClockPower)
        assert clock_power.power is not None
        for address in range(RAM_BASE, RAM_BASE + RAM_SIZE, RAM_SECTION):
            if not clock_power.power.ram_retained(address):
                self.core.cpu.ram_write(address, rng.randbytes(RAM_SECTION))

    def _flip_ram_bits(self) -> None:
        rng = random.Random(f"{self.seed}:{self.resets}:flip")
        for _ in range(64):
            address = RAM_BASE + rng.randrange(RAM_SIZE)
            old = self.core.cpu.ram_read(address, 1)[0]
            self.core.cpu.ram_write(address, bytes([old ^ 1 << rng.randrange(8)]))

    def power_cycle(self) -> None:
        """The supply goes away and comes back."""
        self._power_on()

    def pin_reset(self) -> None:
        """nRESET is pulled low and released."""
        self._do_reset(ResetKind.PIN)

    def soft_reset(self) -> None:
        """As AIRCR.SYSRESETREQ."""
        self._do_reset(ResetKind.SOFT)

    def watchdog_reset(self) -> None:
        """As when the watchdog ran out."""
        self._do_reset(ResetKind.WATCHDOG)

    # Running

    def run(
        self, until_ns: int | None = None, stop: Callable[[], bool] | None = None
    ) -> RunEnd:
        """Runs until the absolute time `until_ns`, or `stop()` holds, or for ever.

        Raises GuestError when the guest broke a rule of the chip, PowerCut when the
        power plan of the non-volatile memory says so.
        """
        if self._dead:
            raise VboardError("the board has no power; power_cycle() it first")
        try:
            return self.core.run(until_ns, stop)
        except PowerCut:
            self._dead = True
            raise

    @property
    def cpu(self) -> Any:
        """Registers: `board.cpu.get("pc")`, `board.cpu.set("r0", 1)`."""
        return self.core.cpu

    def block(self, name: str) -> Peripheral:
        """The register block of this data-sheet name; KeyError with the known ones."""
        for block in self.bus.blocks:
            if block.name == name:
                return block
        known = ", ".join(sorted({block.name for block in self.bus.blocks}))
        raise KeyError(f"no block {name!r}; there are {known}")

    def uart(self, number: int) -> Any:
        """UARTE `number`: has the wires `tx` (from the board) and `rx` (to it)."""
        return self.block(f"UARTE{number}")

    def ram_read(self, address: int, size: int) -> bytes:
        """Bytes of Data RAM (address as the CPU sees it)."""
        self._check_ram(address, size)
        return self.core.cpu.ram_read(address, size)

    def ram_write(self, address: int, data: bytes) -> None:
        """Stores into Data RAM."""
        self._check_ram(address, len(data))
        self.core.cpu.ram_write(address, data)

    @staticmethod
    def _check_ram(address: int, size: int) -> None:
        if not RAM_BASE <= address <= RAM_BASE + RAM_SIZE - size:
            raise ValueError(f"expected an address in RAM, got 0x{address:08x}+{size}")

    def close(self) -> None:
        """Gives memory back; the non-volatile memory stays."""
        self.nv.on_change = self.nv.on_word = None
        self.core.cpu.close()
