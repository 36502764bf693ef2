# SPDX-License-Identifier: Apache-2.0
"""The Cortex-M4 instruction engine: Unicorn, its memory map and its quirks.

Rule 1: this is the only file that imports Unicorn.
Rule 2: the engine executes instructions and nothing else. Interrupts, exceptions,
        system registers and time belong to the callers; `run` says why it stopped.
Rule 3: `elapsed` is exact, also inside callbacks. Unicorn counts instructions for
        its `count` argument in a private field; `cpu_counter` finds where.
Rule 4: a callback never calls `emu_stop` to end a slice (the access would run
        again); `stop_after_instruction` lowers the count instead. `abort` uses
        `emu_stop`, because then the access must not complete.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import unicorn as _unicorn
from unicorn import arm_const as arm

from vboard.cpu_calls import AccessCalls
from vboard.cpu_counter import find_counters
from vboard.cpu_delay import DelayLoops
from vboard.cpu_divide import DivisionTrap
from vboard.cpu_memory import (
    FICR_BASE,
    FLASH_BASE,
    FLASH_SIZE,
    RAM_BASE,
    RAM_CODE_ALIAS,
    RAM_SIZE,
    ROM_TABLE_BASE,
    Memory,
)
from vboard.cpu_registers import RegisterSet
from vboard.cpu_stop import WFE, WFI, YIELD, Stop, StopReason, hint_before
from vboard.cpu_unmask import UnmaskWatch
from vboard.errors import VboardError

unicorn: Any = _unicorn  # its type hints cover half of what it offers

_MMIO = (
    (0x4000_0000, 0x0010_0000),
    (0x5000_0000, 0x0010_0000),
    (0xE000_0000, 0x0010_0000),
)
_ENDLESS = 0xFFFF_FFFF
_OK, _INVALID = unicorn.UC_ERR_OK, unicorn.UC_ERR_INSN_INVALID

_REGISTERS = {
    **{f"r{n}": getattr(arm, f"UC_ARM_REG_R{n}") for n in range(13)},
    "sp": arm.UC_ARM_REG_SP,
    "lr": arm.UC_ARM_REG_LR,
    "pc": arm.UC_ARM_REG_PC,
    "xpsr": arm.UC_ARM_REG_XPSR,
    "ipsr": arm.UC_ARM_REG_IPSR,
    "msp": arm.UC_ARM_REG_MSP,
    "psp": arm.UC_ARM_REG_PSP,
    "control": arm.UC_ARM_REG_CONTROL,
    "primask": arm.UC_ARM_REG_PRIMASK,
    "basepri": arm.UC_ARM_REG_BASEPRI,
    "faultmask": arm.UC_ARM_REG_FAULTMASK,
    "fpscr": arm.UC_ARM_REG_FPSCR,
    **{f"s{n}": getattr(arm, f"UC_ARM_REG_S{n}") for n in range(32)},
}


# Exceptions of the engine (its own numbers), apart from SVC and EXC_RETURN.
_INTERRUPTS = {
    1: StopReason.UNDEFINED,
    4: StopReason.UNALIGNED,
    7: StopReason.BKPT,
}
_MEMORY_STOPS = {
    unicorn.UC_MEM_READ_UNMAPPED: StopReason.READ,
    unicorn.UC_MEM_READ_PROT: StopReason.READ,
    unicorn.UC_MEM_WRITE_UNMAPPED: StopReason.WRITE,
    unicorn.UC_MEM_WRITE_PROT: StopReason.WRITE,
    unicorn.UC_MEM_FETCH_UNMAPPED: StopReason.FETCH,
    unicorn.UC_MEM_FETCH_PROT: StopReason.FETCH,
}


_LIB = unicorn.unicorn_py3.unicorn.uclib


class Cpu:
    """Executes instructions between the callbacks its owner sets."""

    def __init__(self) -> None:
        self._uc: Any = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
        self._uc.ctl_set_cpu_model(arm.UC_CPU_ARM_CORTEX_M4)
        self.on_read: Callable[[int, int], int]
        self.on_write: Callable[[int, int, int], None]
        self.on_store: Callable[[int, int, int], None]
        self.on_error: Callable[[BaseException], None]
        self._sealed: set[tuple[int, int]] = set()
        self._flush_wanted = False
        self.memory = Memory()
        read_exec = unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC
        self._map(FLASH_BASE, self.memory.flash, read_exec)
        self._map(FICR_BASE, self.memory.info, read_exec)
        self._map(ROM_TABLE_BASE, self.memory.rom, unicorn.UC_PROT_READ)
        self._seal()
        self._map(RAM_BASE, self.memory.ram, unicorn.UC_PROT_ALL)
        self._map(RAM_CODE_ALIAS, self.memory.ram, unicorn.UC_PROT_ALL)
        self._error: BaseException | None = None
        self._aborted = self._by_zero = False
        self._interrupt: int | None = None
        self._memory_fault: tuple[StopReason, int] | None = None
        # Instructions begun in this slice, and at how many it ends: words of the
        # engine, which callbacks may look at and change.
        self.counter, self.limit = find_counters(self._uc)
        self._add_hooks()
        self._unmask = UnmaskWatch(
            self._uc,
            self.memory,
            hook_type=unicorn.UC_HOOK_BLOCK,
            call=self._on_unmask,
        )
        self.masked_pending = False
        self.ram_code = False  # instructions were executed from RAM
        self._sets: dict[tuple[str, ...], RegisterSet] = {}
        self._singles: dict[str, RegisterSet] = {}
        self._pc = self.registers("pc")
        self._running = False
        self.division = DivisionTrap(
            self._uc,
            self.memory,
            hook_type=unicorn.UC_HOOK_CODE,
            on_zero=self._divided_by_zero,
        )
        self.division.divisor = lambda number: self.get(f"r{number}")
        self.delays = DelayLoops(self._uc, self.memory, hook_type=unicorn.UC_HOOK_BLOCK)
        self.delays.get, self.delays.set_ = self.get, self.set

    def _map(self, base: int, memory: Any, rights: int) -> None:
        view = (ctypes.c_char * len(memory)).from_buffer(memory)
        self._uc.mem_map_ptr(
            base, len(memory), rights, ctypes.cast(view, ctypes.c_void_p)
        )

    def _add_hooks(self) -> None:
        uc = self._uc
        self._calls = AccessCalls(_LIB, uc._uch, self)
        for base, size in _MMIO:
            self._calls.map_registers(base, size)
        self._calls.hook_stores(unicorn.UC_HOOK_MEM_WRITE_PROT)
        self._ram_hooks = [
            uc.hook_add(
                unicorn.UC_HOOK_BLOCK,
                self._on_ram_code,
                begin=base,
                end=base + RAM_SIZE - 1,
            )
            for base in (RAM_BASE, RAM_CODE_ALIAS)
        ]
        uc.hook_add(unicorn.UC_HOOK_INTR, self._on_interrupt)
        uc.hook_add(
            unicorn.UC_HOOK_MEM_UNMAPPED
            | unicorn.UC_HOOK_MEM_READ_PROT
            | unicorn.UC_HOOK_MEM_FETCH_PROT,
            self._on_memory_fault,
        )

    # Registers and memory

    def registers(self, *names: str) -> RegisterSet:
        """A (cached) group of registers."""
        group = self._sets.get(names)
        if group is None:
            ids = [_REGISTERS[name] for name in names]
            group = self._sets[names] = RegisterSet(_LIB, self._uc._uch, ids)
        return group

    def get(self, name: str) -> int:
        """One register."""
        single = self._singles.get(name)
        if single is None:
            single = self._singles[name] = self.registers(name)
        return single.first()

    def set(self, name: str, value: int) -> None:
        """Sets one register."""
        self.registers(name).write(value)

    def ram_read(self, address: int, size: int) -> bytes:
        """Bytes of Data RAM; the caller checks the range."""
        start = address - RAM_BASE
        return self.memory.ram[start : start + size]

    def ram_write(self, address: int, data: bytes) -> None:
        """Stores into Data RAM; the caller checks the range."""
        start = address - RAM_BASE
        self.memory.ram[start : start + len(data)] = data
        if self.ram_code:
            for base in (RAM_BASE, RAM_CODE_ALIAS):
                first = base + start
                self._uc.ctl_remove_cache(first, first + len(data))

    def memory_read(self, address: int, size: int) -> bytes | None:
        """Bytes of flash, FICR/UICR or RAM as the CPU sees them, else None."""
        return self.memory.read(address, size)

    def load_flash(self, address: int, data: bytes) -> None:
        """Puts non-volatile content (flash, FICR, UICR) where the CPU reads it."""
        if not self.memory.load(address, data):
            self._uc.ctl_remove_cache(address, address + len(data))
        if address < FLASH_SIZE:
            self._unmask.flash_changed(address, len(data))
            self.delays.flash_changed(address, len(data))

    def load_word(self, address: int, value: int) -> None:
        """`load_flash` for one word."""
        if not self.memory.load_word(address, value):
            self._uc.ctl_remove_cache(address, address + 4)
        if address < FLASH_SIZE:
            self._unmask.word_changed(address)
            self.delays.word_changed(address)

    def load_rom_table(self, offset: int, data: bytes) -> None:
        """Content of the CoreSight ROM table page."""
        self.memory.rom[offset : offset + len(data)] = data

    def protect_reads(self, address: int, size: int, *, denied: bool) -> None:
        """Makes flash pages unreadable and not executable, or undoes it."""
        rights = unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC
        self._uc.mem_protect(address, size, unicorn.UC_PROT_NONE if denied else rights)
        self._seal()
        self._uc.ctl_remove_cache(address, address + size)
        if denied:  # what was denied has not been kept
            self._flush_wanted = True
            if self._running:  # flushing costs milliseconds in a callback
                self.stop_after_instruction()

    def _seal(self) -> None:
        """Keeps guest stores out of read-only memory.

        A region mapped from our memory, or split by `mem_protect`, lets a store
        through behind the write-protection hook until it was written once by
        `mem_write`, which leaves it sealed.
        """
        for start, end, rights in self._uc.mem_regions():
            if (start, end) in self._sealed:
                continue
            self._sealed.add((start, end))
            if not rights & unicorn.UC_PROT_WRITE:
                self._uc.mem_write(start, bytes(self._uc.mem_read(start, 4)))

    def watch_execution(self, start: int, end: int, call: Callable[[int], None]) -> int:
        """`call(address)` at each block executed in `start`..`end` - 1; a handle.

        Blocks that ran while nothing was watched may stay unseen until a new one.
        """
        return int(
            self._uc.hook_add(
                unicorn.UC_HOOK_BLOCK,
                lambda uc, address, size, data: call(address),
                begin=start,
                end=end - 1,
            )
        )

    def unwatch(self, handle: int) -> None:
        """Ends a `watch_execution`; not for use in its callback."""
        self._uc.hook_del(handle)

    # Execution

    @property
    def elapsed(self) -> int:
        """Instructions completed in this slice; for use inside callbacks."""
        return int(self.counter.value) - 1 if self._running else 0

    def stop_after_instruction(self) -> None:
        """Ends the slice when the present instruction has completed."""
        self.limit.value = self.counter.value

    def limit_slice(self, instructions: int) -> None:
        """Ends the slice after at most `instructions` in total."""
        if instructions < self.limit.value:
            self.limit.value = max(instructions, self.counter.value)

    def set_limit(self, instructions: int) -> None:
        """Ends the slice after `instructions` in total, sooner or later than before."""
        self.limit.value = max(instructions, self.counter.value)

    def abort(self) -> None:
        """From a callback: the access fails and its instruction does not complete."""
        self._aborted = True
        self._uc.emu_stop()

    def run(self, limit: int) -> Stop:
        """Executes at most `limit` (>= 1) instructions from the current PC."""
        self._aborted = self._by_zero = False
        self._interrupt = None
        self._memory_fault = None
        if self.ram_code and self._ram_hooks:
            for hook in self._ram_hooks:  # seen once is enough, and costs time
                self._uc.hook_del(hook)
            self._ram_hooks.clear()
            self._uc.ctl_flush_tb()
        if self.masked_pending:
            self._unmask.refresh(ram=self.ram_code)
        uc = self._uc
        if self._flush_wanted:
            self._flush_wanted = False
            uc.ctl(unicorn.UC_CTL_TLB_FLUSH, unicorn.UC_CTL_IO_WRITE)
        uc._hook_exception = None
        self._running = True
        try:  # as `Uc.emu_start` does, which raises for every WFE
            failure = _LIB.uc_emu_start(
                uc._uch, self._pc.first() | 1, _ENDLESS, 0, limit
            )
        finally:
            self._running = False
        if uc._hook_exception is not None:
            raise uc._hook_exception
        if self._error is not None:
            error_, self._error = self._error, None
            raise error_
        counter, final = self.counter.value, self.limit.value
        executed = counter if counter <= final else counter - 1
        if (
            counter > final
            and failure == _OK
            and self._interrupt is None
            and not self._aborted
        ):
            return Stop(StopReason.LIMIT, executed)
        return self._why(failure, executed)

    def _why(self, failure: int, executed: int) -> Stop:
        pc = self._pc.first()
        before = max(executed - 1, 0)
        if self._aborted or self._memory_fault is not None:
            # The refused access left a translation, which lets later loads through.
            self._uc.ctl(unicorn.UC_CTL_TLB_FLUSH, unicorn.UC_CTL_IO_WRITE)
        if self._aborted:
            reason = StopReason.DIVISION if self._by_zero else StopReason.ABORT
            return Stop(reason, before, pc)
        if self._memory_fault is not None:
            reason, address = self._memory_fault
            if reason is StopReason.FETCH and pc >= 0xFFFF_FFE0:
                return Stop(StopReason.EXC_RETURN, executed, pc)
            return Stop(reason, before, pc, address)
        if self._interrupt is not None:
            return self._why_interrupt(self._interrupt, pc, executed)
        hint = hint_before(self.memory.read(pc - 4, 4))
        if failure == _OK and hint == WFI:
            return Stop(StopReason.WFI, executed, pc)
        if failure != _INVALID:
            raise VboardError(f"engine error {failure} at 0x{pc:08x}")
        # WFE and YIELD end as invalid instructions too, with PC behind them.
        if hint == WFE:
            return Stop(StopReason.WFE, executed, pc)
        if hint == YIELD:
            return Stop(StopReason.LIMIT, executed, pc)
        thumb = self.get("xpsr") & 0x0100_0000
        reason = StopReason.UNDEFINED if thumb else StopReason.INVALID_STATE
        return Stop(reason, before, pc)

    def _why_interrupt(self, number: int, pc: int, executed: int) -> Stop:
        if number == 2:
            return Stop(StopReason.SVC, executed, pc)
        if number in (3, 8) and pc >= 0xFFFF_FFE0:
            return Stop(StopReason.EXC_RETURN, executed, pc)
        before = max(executed - 1, 0)
        if number in _INTERRUPTS:
            return Stop(_INTERRUPTS[number], before, pc)
        if number == 3:
            return Stop(StopReason.FETCH, before, pc, pc)
        raise VboardError(f"engine exception {number} at 0x{pc:08x}")

    # Callbacks

    def _on_memory_fault(self, *call: Any) -> bool:
        _, access, address, _, _, _ = call
        self._memory_fault = (_MEMORY_STOPS[access], address)
        return False

    def _on_interrupt(self, uc: object, number: int, data: object) -> None:
        self._interrupt = number
        self._uc.emu_stop()

    def _divided_by_zero(self) -> None:
        self._by_zero = True
        self.abort()

    def fail(self, error: BaseException) -> None:
        """Hands the error to the owner, who may turn it into a guest exception."""
        try:
            self.on_error(error)
            self.abort()
        except BaseException as final:
            self._error = final
            self.abort()

    # Unmasking instructions

    def _on_ram_code(self, uc: object, address: int, size: int, data: object) -> None:
        if not self.ram_code:
            self.ram_code = True
            self.stop_after_instruction()

    def _on_unmask(self, uc: object, address: int, size: int, data: object) -> None:
        if self.masked_pending:
            self.limit.value = self.counter.value

    def close(self) -> None:
        """Gives the memory back."""
        self._uc._Uc__finalizer()
