# SPDX-License-Identifier: Apache-2.0
"""What the parts of the board meet through: Bus, IrqLine, Peripheral, ResetKind.

Rule 1: no block holds another block or the CPU; blocks know the Bus, the Clock
        and their own IrqLine, nothing else.
Rule 2: register accesses are 32 bit and aligned; everything else is a fault.
Rule 3: DMA goes through the Bus and reaches Data RAM only.
Rule 4: an event register is *published* on the bus by its absolute address, a
        task register is *triggered* by its absolute address: PPI and SHORTS
        need nothing more.
Rule 5: a level that crosses from one block to another (a clock that runs, a pin)
        is a named `Signal` of the bus.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

from vboard.clock import Clock
from vboard.errors import GuestError


class ResetKind(enum.Enum):
    """Where a reset comes from (nRF52840 PS, POWER, Reset behaviour)."""

    POWER_ON = "power-on"
    PIN = "pin"
    WATCHDOG = "watchdog"
    SOFT = "soft"
    LOCKUP = "lockup"
    SYSTEM_OFF = "wake from System OFF"


class IrqLine:
    """A level-sensitive interrupt request from one block to the NVIC."""

    def __init__(self, number: int, on_change: Callable[[int, bool], None]) -> None:
        self.number = number
        self.level = False
        self._on_change = on_change

    def set(self, level: bool) -> None:
        """Drives the line; the NVIC hears about changes only."""
        if level != self.level:
            self.level = level
            self._on_change(self.number, level)


class Signal:
    """A level that one block drives and others look at; None is "not driven"."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.level: int | None = None
        self._watchers: list[Callable[[int | None], None]] = []

    def set(self, level: int | None) -> None:
        """Drives the signal; watchers hear about changes only."""
        if level != self.level:
            self.level = level
            for call in list(self._watchers):
                call(level)

    def watch(self, call: Callable[[int | None], None]) -> None:
        """`call(level)` whenever the level changes."""
        self._watchers.append(call)

    def unwatch(self, call: Callable[[int | None], None]) -> None:
        """Ends what `watch` began."""
        if call in self._watchers:
            self._watchers.remove(call)


class Peripheral:
    """One register block.

    Subclasses name themselves and their window, answer `read`/`write` for 32-bit
    aligned offsets (relative to `base`), and raise `self.fault(...)` for anything
    the data sheet does not have. Several blocks may share one page: each has its
    own window (`base`..`base + size`).
    """

    name = ""
    base = 0
    size = 0x1000

    def __init__(self, clock: Clock, bus: Bus, irq: IrqLine | None = None) -> None:
        self.clock = clock
        self.bus = bus
        self.irq = irq

    def read(self, offset: int) -> int:
        """Value of the register at `offset`."""
        raise NotImplementedError

    def write(self, offset: int, value: int) -> None:
        """A store of the 32-bit `value` to the register at `offset`."""
        raise NotImplementedError

    def reset(self, kind: ResetKind) -> None:
        """Puts registers to reset values, as far as `kind` reaches this block."""
        raise NotImplementedError

    def sync(self) -> None:
        """Brings lazily evaluated state (byte counts) up to `clock.now_ns`."""

    def replan(self) -> None:
        """Who listens, or a `task_horizon`, has changed: plan alarms anew."""

    def trigger(self, offset: int, count: int) -> None:
        """The task at `offset` is triggered by hardware, `count` times."""
        for _ in range(count):
            self.write(offset, 1)

    def task_horizon(self, offset: int) -> int | None:
        """Which of the next triggers of this task has to come at its exact instant.

        1 (the default) means the next one; n means that n - 1 triggers may be
        merged and come late (at the next `sync`); None means that all may.
        """
        return 1

    def register_name(self, offset: int) -> str:
        """Data-sheet name of the register at `offset`, for logs and faults."""
        return f"+0x{offset:03x}"

    def fault(self, message: str, offset: int) -> GuestError:
        """The error for a bad access to `offset`."""
        return GuestError(message, block=self.name, register=self.register_name(offset))


class Bus:
    """Routes register accesses, DMA, events and tasks."""

    def __init__(self) -> None:
        self._pages: dict[int, list[Peripheral]] = {}
        self._listeners: dict[int, list[Callable[[int], None]]] = {}
        self._horizons: dict[Callable[[int], None], Callable[[], int | None]] = {}
        self._signals: dict[str, Signal] = {}
        self._syncing = False
        self._lazy: list[Peripheral] = []
        self.blocks: list[Peripheral] = []
        self.ram_base = 0x2000_0000
        self.ram_size = 0x0004_0000
        # Set by the CPU, which owns the memory.
        self.ram_read: Callable[[int, int], bytes]
        self.ram_write: Callable[[int, bytes], None]
        # Set by the CPU or the board; harmless while nobody has.
        # The CPU executes nothing from flash before this instant (flash is busy).
        self.stall_cpu_until_ns: Callable[[int], None] = lambda until_ns: None
        # The read-protected flash regions changed: (address, size) pairs.
        self.acl_changed: Callable[[list[tuple[int, int]]], None] = lambda regions: None
        # Set by the NVMC: a CPU store (address, size, value) to flash, UICR or FICR.
        self.flash_store: Callable[[int, int, int], None]
        # Set by the ACL: PERM bits (2 no write, 4 no read) that hold at an address.
        self.flash_protection: Callable[[int], int] = lambda address: 0
        # The chip resets itself / enters System OFF after the current instruction.
        self.request_reset: Callable[[ResetKind], None] = lambda kind: None
        self.request_system_off: Callable[[], None] = lambda: None

    def add(self, block: Peripheral) -> None:
        """Puts `block` on the bus."""
        self.blocks.append(block)
        if type(block).sync is not Peripheral.sync:
            self._lazy.append(block)
        first, last = block.base >> 12, (block.base + block.size - 1) >> 12
        for page in range(first, last + 1):
            self._pages.setdefault(page, []).append(block)

    def find(self, address: int) -> Peripheral | None:
        """The block whose window holds `address`."""
        for block in self._pages.get(address >> 12, ()):
            if block.base <= address < block.base + block.size:
                return block
        return None

    def read(self, address: int) -> int:
        """A CPU load of one register."""
        block = self._at(address)
        return block.read(address - block.base)

    def write(self, address: int, value: int) -> None:
        """A CPU store to one register."""
        block = self._at(address)
        block.write(address - block.base, value & 0xFFFF_FFFF)

    def _at(self, address: int) -> Peripheral:
        block = self.find(address)
        if block is None:
            raise GuestError(f"no register block at 0x{address:08x}", block="bus")
        return block

    # Events and tasks

    def listen(
        self,
        event_address: int,
        call: Callable[[int], None],
        *,
        horizon: Callable[[], int | None] | None = None,
    ) -> None:
        """`call(count)` whenever the event at this address is published.

        `horizon` says how many events may be merged, as `Peripheral.task_horizon`
        does; without it every event is published at its instant.
        """
        self._listeners.setdefault(event_address, []).append(call)
        if horizon is not None:
            self._horizons[call] = horizon

    def unlisten(self, event_address: int, call: Callable[[int], None]) -> None:
        """Ends what `listen` began."""
        calls = self._listeners.get(event_address, [])
        if call in calls:
            calls.remove(call)
        if not calls:
            self._listeners.pop(event_address, None)
        self._horizons.pop(call, None)

    def has_listener(self, event_address: int) -> bool:
        """True when somebody would notice the event."""
        return event_address in self._listeners

    def event_horizon(self, event_address: int) -> int | None:
        """Which of the next events has to be published at its exact instant."""
        nearest: int | None = None
        for call in self._listeners.get(event_address, ()):
            ask = self._horizons.get(call)
            count = 1 if ask is None else ask()
            if count is not None and (nearest is None or count < nearest):
                nearest = count
        return nearest

    def publish(self, event_address: int, count: int = 1) -> None:
        """The event at this address happened (`count` times since the last)."""
        for call in list(self._listeners.get(event_address, ())):
            call(count)

    def trigger(self, task_address: int, count: int = 1) -> None:
        """Triggers the task at this address `count` times."""
        block = self._at(task_address)
        block.trigger(task_address - block.base, count)

    def task_horizon(self, task_address: int) -> int | None:
        """`Peripheral.task_horizon` of the task at this address."""
        block = self._at(task_address)
        return block.task_horizon(task_address - block.base)

    def sync(self) -> None:
        """Brings every lazily evaluated block up to now."""
        if self._syncing:
            return
        self._syncing = True
        try:
            for block in self._lazy:
                block.sync()
        finally:
            self._syncing = False

    def replan(self) -> None:
        """Tells every block that listeners or horizons have changed."""
        for block in self.blocks:
            block.replan()

    def signal(self, name: str) -> Signal:
        """The signal of this name (made when first asked for)."""
        if name not in self._signals:
            self._signals[name] = Signal(name)
        return self._signals[name]

    # DMA

    def dma_read(self, address: int, size: int, *, block: str) -> bytes:
        """Bytes that a DMA master fetches; Data RAM only."""
        self._check_dma(address, size, block)
        return self.ram_read(address, size) if size else b""

    def dma_write(self, address: int, data: bytes, *, block: str) -> None:
        """Bytes that a DMA master stores; Data RAM only."""
        self._check_dma(address, len(data), block)
        if data:
            self.ram_write(address, data)

    def _check_dma(self, address: int, size: int, block: str) -> None:
        start, end = self.ram_base, self.ram_base + self.ram_size
        if size and not (start <= address and address + size <= end):
            raise GuestError(
                f"DMA reaches Data RAM only (0x{start:08x}..0x{end - 1:08x}), "
                f"not 0x{address:08x}+{size}",
                block=block,
            )
