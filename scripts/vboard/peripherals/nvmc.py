# SPDX-License-Identifier: Apache-2.0
"""NVMC: non-volatile memory controller (nRF52840 PS, NVMC).

The memory changes at once; READY stays 0 for the data sheet's time, and the CPU is
told to stall until then (it does when it executes from flash). CPU stores to flash,
UICR and FICR come in by `bus.flash_store`. A reset while READY is 0 tears the
operation; the bus signal "RESET" (1) announces one that comes while the CPU stalls.
READYNEXT follows READY: buffered writes are unusable on every revision (erratum 233).
"""

from __future__ import annotations

import enum

from vboard.clock import NS_PER_MS, NS_PER_US, Clock
from vboard.errors import GuestError
from vboard.fabric import Bus, IrqLine, Peripheral, ResetKind
from vboard.nv import FICR_BASE, FLASH_SIZE, PAGE_SIZE, UICR_BASE, UICR_SIZE, NvMemory
from vboard.peripherals.acl import WRITE_DISABLE, AclViolation

# PS, NVMC, electrical specification (maxima).
WRITE_NS = 41 * NS_PER_US
ERASE_PAGE_NS = 85 * NS_PER_MS
ERASE_ALL_NS = 169 * NS_PER_MS
PARTIAL_SETUP_NS = 1 * NS_PER_MS

REN, WEN, EEN = 0, 1, 2
ICACHE_MASK = 0x101  # CACHEEN, CACHEPROFEN


class Register(enum.IntEnum):
    """Offsets from 0x4001E000."""

    READY = 0x400
    READYNEXT = 0x408
    CONFIG = 0x504
    ERASEPAGE = 0x508
    ERASEALL = 0x50C
    ERASEPCR0 = 0x510
    ERASEUICR = 0x514
    ERASEPAGEPARTIAL = 0x518
    ERASEPAGEPARTIALCFG = 0x51C
    ICACHECNF = 0x540
    IHIT = 0x548
    IMISS = 0x54C


R = Register
_READY = int(R.READY)
_ERASES = (
    R.ERASEPAGE,
    R.ERASEALL,
    R.ERASEPCR0,
    R.ERASEUICR,
    R.ERASEPAGEPARTIAL,
)


class FlashStoreFault(GuestError):
    """A store that the NVMC answers with a bus error."""


class Nvmc(Peripheral):
    """Registers 0x400..0x54F of page 0x4001E000 (ACL has 0x800..0x87F)."""

    name = "NVMC"
    base = 0x4001_E000
    size = 0x550

    def __init__(
        self, clock: Clock, bus: Bus, irq: IrqLine | None = None, *, nv: NvMemory
    ) -> None:
        super().__init__(clock, bus, irq)
        self.nv = nv
        self.config = REN
        self.partial_ms = 0x0A
        self.icache = 0
        self.busy_until_ns = 0
        self.blocked = 0  # stores and erases that the ACL refused
        self._began_ns = 0
        bus.flash_store = self.store
        bus.signal("RESET").watch(self._reset_comes)

    @property
    def ready(self) -> bool:
        """No operation is going on."""
        return self.clock.now_ns >= self.busy_until_ns

    # CPU stores to flash, UICR, FICR

    def store(self, address: int, size: int, value: int) -> None:
        """A CPU store of `size` bytes; FlashStoreFault when it is a bus error."""
        now_ns = self.clock.now_ns
        if (
            size != 4
            or address & 3
            or self.config != WEN
            or now_ns < self.busy_until_ns
        ):
            self._refuse_store(address, size)
        if 0 <= address < FLASH_SIZE:
            if self.bus.flash_protection(address) & WRITE_DISABLE:
                self._check_protection(address, PAGE_SIZE, "store to")
        elif not UICR_BASE <= address < UICR_BASE + UICR_SIZE:
            self._refuse_store(address, size)
        self.nv.program_word(address, value)
        self._began_ns = now_ns
        self.busy_until_ns = until_ns = now_ns + WRITE_NS
        self.bus.stall_cpu_until_ns(until_ns)

    def _refuse_store(self, address: int, size: int) -> None:
        """Raises what is wrong with a store."""
        if FICR_BASE <= address < FICR_BASE + PAGE_SIZE:
            why = "the FICR is read-only"
        elif not (
            0 <= address < FLASH_SIZE or UICR_BASE <= address < UICR_BASE + UICR_SIZE
        ):
            why = "there is no non-volatile memory here"
        elif size != 4 or address % 4:
            why = f"expected an aligned word, got {size} bytes"
        elif self.config != WEN:
            why = f"CONFIG is {self._mode()}, a store needs Wen"
        else:
            why = "the NVMC is busy (READY=0)"
        raise FlashStoreFault(f"store to 0x{address:08x}: {why}", block=self.name)

    # Registers

    def read(self, offset: int) -> int:
        """Value of the register at `offset`."""
        if offset == _READY:  # polled behind every word
            return 1 if self.clock.now_ns >= self.busy_until_ns else 0
        match offset:
            case R.READYNEXT:
                return int(self.ready)
            case R.CONFIG:
                return self.config
            case R.ERASEPAGEPARTIALCFG:
                return self.partial_ms
            case R.ICACHECNF:
                return self.icache
            case R.IHIT | R.IMISS:
                return 0  # the cache is not modelled, nothing is counted
            case _ if offset in _ERASES:
                return 0
            case _:
                raise self._reserved(offset)

    def write(self, offset: int, value: int) -> None:
        """A store of `value` to the register at `offset`."""
        match offset:
            case R.CONFIG:
                if value & 3 == 3 or value & ~3:
                    raise self.fault(
                        f"expected Ren (0), Wen (1) or Een (2), got 0x{value:x}", offset
                    )
                self.config = value
            case R.ERASEPAGE | R.ERASEPCR0:  # the latter is the older name
                page = self._erase_address(offset, value)
                self.nv.erase_page(page)
                self._busy(ERASE_PAGE_NS)
            case R.ERASEPAGEPARTIAL:
                page = self._erase_address(offset, value)
                self.nv.erase_page_partial(page, self.partial_ms)
                self._busy(PARTIAL_SETUP_NS + self.partial_ms * NS_PER_MS)
            case R.ERASEALL:
                if value & 1:
                    self._need_een(offset)
                    self._check_protection(0, FLASH_SIZE, "ERASEALL with")
                    self.nv.erase_all()
                    self._busy(ERASE_ALL_NS)
            case R.ERASEUICR:
                if value & 1:
                    self._need_een(offset)
                    self.nv.erase_uicr()
                    self._busy(ERASE_PAGE_NS)
            case R.ERASEPAGEPARTIALCFG:
                self.partial_ms = value & 0x7F
            case R.ICACHECNF:
                self.icache = value & ICACHE_MASK
            case R.IHIT | R.IMISS:
                pass  # a write clears the counter
            case R.READY | R.READYNEXT:
                raise self.fault(f"the register is read-only (0x{value:08x})", offset)
            case _:
                raise self._reserved(offset)

    def reset(self, kind: ResetKind) -> None:
        """CONFIG back to Ren; an operation that was going on is torn."""
        self._reset_comes(1)
        self.config = REN
        self.partial_ms = 0x0A
        self.icache = 0
        self.busy_until_ns = 0

    def register_name(self, offset: int) -> str:
        """Data-sheet name of the register at `offset`."""
        try:
            return Register(offset).name
        except ValueError:
            return super().register_name(offset)

    # Inside

    def _busy(self, for_ns: int) -> None:
        self._began_ns = self.clock.now_ns
        self.busy_until_ns = self.clock.now_ns + for_ns
        self.bus.stall_cpu_until_ns(self.busy_until_ns)

    def _reset_comes(self, level: int | None) -> None:
        """A reset in the middle of an operation leaves it half done."""
        if level and not self.ready:
            elapsed_ns = self.clock.now_ns - self._began_ns
            self.nv.tear_last(elapsed_ns / (self.busy_until_ns - self._began_ns))
            self.busy_until_ns = self.clock.now_ns

    def _mode(self) -> str:
        return ("Ren", "Wen", "Een")[self.config]

    def _need_een(self, offset: int) -> None:
        if self.config != EEN:
            raise self.fault(
                f"CONFIG is {self._mode()}, an erase needs Een (no effect on the chip)",
                offset,
            )
        if not self.ready:
            raise self.fault("the NVMC is busy (READY=0)", offset)

    def _erase_address(self, offset: int, value: int) -> int:
        self._need_een(offset)
        if value % PAGE_SIZE or value >= FLASH_SIZE:
            raise self.fault(
                f"expected the address of a flash page, got 0x{value:08x}", offset
            )
        self._check_protection(value, PAGE_SIZE, "erase of")
        return value

    def _check_protection(self, address: int, size: int, what: str) -> None:
        first = address - address % PAGE_SIZE
        for page in range(first, first + size, PAGE_SIZE):
            if self.bus.flash_protection(page) & WRITE_DISABLE:
                self.blocked += 1
                raise AclViolation(
                    f"{what} page 0x{page:05x}, which the ACL protects", block=self.name
                )

    def _reserved(self, offset: int) -> GuestError:
        return self.fault("no register at this offset", offset)
