# SPDX-License-Identifier: Apache-2.0
"""The Cortex-M4 instruction engine: Unicorn, its memory map and its quirks.

Rule 1: this is the only file that imports Unicorn.
Rule 2: the engine executes instructions and nothing else. Interrupts, exceptions,
        system registers and time belong to the callers; `run` says why it stopped.
Rule 3: `elapsed` is exact, also inside callbacks. Unicorn counts instructions for
        its `count` argument in a private field; `_find_counters` measures where.
Rule 4: a callback never calls `emu_stop` to end a slice (the access would run
        again); `stop_after_instruction` lowers the count instead. `abort` uses
        `emu_stop`, because then the access must not complete.
"""

from __future__ import annotations

import ctypes
import enum
import mmap
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import unicorn as _unicorn
from unicorn import arm_const as arm

from vboard.errors import VboardError

unicorn: Any = _unicorn  # its type hints cover half of what it offers

FLASH_BASE, FLASH_SIZE = 0x0000_0000, 0x0010_0000
RAM_BASE, RAM_SIZE = 0x2000_0000, 0x0004_0000
RAM_CODE_ALIAS = 0x0080_0000
FICR_BASE, UICR_BASE = 0x1000_0000, 0x1000_1000
ROM_TABLE_BASE = 0xF000_0000
PAGE = 0x1000

_MMIO = (
    (0x4000_0000, 0x0010_0000),
    (0x5000_0000, 0x0010_0000),
    (0xE000_0000, 0x0010_0000),
)
_ENDLESS = 0xFFFF_FFFF

# CPSIE i/f, and MSR to PRIMASK, BASEPRI, BASEPRI_MAX, FAULTMASK: all end a
# translation block, so a block hook on the next address sees them.
_UNMASK = re.compile(rb"[\x61-\x63]\xb6|[\x80-\x8f]\xf3[\x10-\x13]\x88", re.DOTALL)

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


class StopReason(enum.Enum):
    """Why `Cpu.run` came back."""

    LIMIT = "instruction limit"
    ABORT = "a callback aborted the access"
    WFI = "wait for interrupt"
    WFE = "wait for event"
    SVC = "supervisor call"
    BKPT = "breakpoint"
    UNDEFINED = "undefined instruction"
    INVALID_STATE = "branch to an address without the Thumb bit"
    UNALIGNED = "unaligned access"
    EXC_RETURN = "exception return"
    FETCH = "fetch from unmapped memory"
    READ = "load from unmapped memory"
    WRITE = "store to unmapped memory"


@dataclass(frozen=True, slots=True)
class Stop:
    """`pc` is the next instruction, except for faults: the faulting one."""

    reason: StopReason
    executed: int
    pc: int = 0
    address: int = 0


_MEMORY_STOPS = {
    unicorn.UC_MEM_READ_UNMAPPED: StopReason.READ,
    unicorn.UC_MEM_READ_PROT: StopReason.READ,
    unicorn.UC_MEM_WRITE_UNMAPPED: StopReason.WRITE,
    unicorn.UC_MEM_WRITE_PROT: StopReason.WRITE,
    unicorn.UC_MEM_FETCH_UNMAPPED: StopReason.FETCH,
    unicorn.UC_MEM_FETCH_PROT: StopReason.FETCH,
}


class RegisterSet:
    """A fixed group of registers that is read or written in one call."""

    __slots__ = ("_engine", "_ids", "_pointers", "_size", "_values", "names")

    def __init__(self, engine: ctypes.c_void_p, names: tuple[str, ...]) -> None:
        size = len(names)
        self._engine = engine
        self._size = size
        self.names = names
        self._ids = (ctypes.c_int * size)(*(_REGISTERS[name] for name in names))
        self._values = (ctypes.c_uint64 * size)()
        base, step = ctypes.addressof(self._values), ctypes.sizeof(ctypes.c_uint64)
        self._pointers = (ctypes.c_void_p * size)(
            *(base + index * step for index in range(size))
        )

    def read(self) -> list[int]:
        """Values in the order of `names`."""
        _LIB.uc_reg_read_batch(self._engine, self._ids, self._pointers, self._size)
        return [value & 0xFFFF_FFFF for value in self._values]

    def write(self, *values: int) -> None:
        """Writes `values`, in the order of `names`."""
        self._values[:] = list(values)
        _LIB.uc_reg_write_batch(self._engine, self._ids, self._pointers, self._size)


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
        self._flash = mmap.mmap(-1, FLASH_SIZE)
        self._ram = mmap.mmap(-1, RAM_SIZE)
        self._info = mmap.mmap(-1, 2 * PAGE)
        self._rom = mmap.mmap(-1, PAGE)
        read_exec = unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC
        self._map(FLASH_BASE, self._flash, read_exec)
        self._map(FICR_BASE, self._info, read_exec)
        self._map(ROM_TABLE_BASE, self._rom, unicorn.UC_PROT_READ)
        self._seal()
        self._map(RAM_BASE, self._ram, unicorn.UC_PROT_ALL)
        self._map(RAM_CODE_ALIAS, self._ram, unicorn.UC_PROT_ALL)
        self._error: BaseException | None = None
        self._aborted = False
        self._interrupt: int | None = None
        self._memory_fault: tuple[StopReason, int] | None = None
        self._counter, self._limit = _find_counters(self._uc)
        self._add_hooks()
        self._unmask_hooks: dict[int, dict[int, int]] = {}  # page: address: handle
        self._stale_pages = set(range(0, FLASH_SIZE, PAGE))
        self.masked_pending = False
        self.ram_code = False  # instructions were executed from RAM
        self._sets: dict[tuple[str, ...], RegisterSet] = {}
        self._running = False

    def _map(self, base: int, memory: mmap.mmap, rights: int) -> None:
        view = (ctypes.c_char * len(memory)).from_buffer(memory)
        self._uc.mem_map_ptr(
            base, len(memory), rights, ctypes.cast(view, ctypes.c_void_p)
        )

    def _add_hooks(self) -> None:
        uc = self._uc
        for base, size in _MMIO:
            uc.mmio_map(base, size, self._mmio_read, base, self._mmio_write, base)
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
        uc.hook_add(unicorn.UC_HOOK_MEM_WRITE_PROT, self._on_write_prot)
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
            group = self._sets[names] = RegisterSet(self._uc._uch, names)
        return group

    def get(self, name: str) -> int:
        """One register."""
        return int(self._uc.reg_read(_REGISTERS[name])) & 0xFFFF_FFFF

    def set(self, name: str, value: int) -> None:
        """Sets one register."""
        self._uc.reg_write(_REGISTERS[name], value)

    def ram_read(self, address: int, size: int) -> bytes:
        """Bytes of Data RAM; the caller checks the range."""
        start = address - RAM_BASE
        return self._ram[start : start + size]

    def ram_write(self, address: int, data: bytes) -> None:
        """Stores into Data RAM; the caller checks the range."""
        start = address - RAM_BASE
        self._ram[start : start + len(data)] = data

    def memory_read(self, address: int, size: int) -> bytes | None:
        """Bytes of flash, FICR/UICR or RAM as the CPU sees them, else None."""
        for base, memory in (
            (RAM_BASE, self._ram),
            (FLASH_BASE, self._flash),
            (FICR_BASE, self._info),
            (RAM_CODE_ALIAS, self._ram),
        ):
            if base <= address and address + size <= base + len(memory):
                return memory[address - base : address - base + size]
        return None

    def load_flash(self, address: int, data: bytes) -> None:
        """Puts non-volatile content (flash, FICR, UICR) where the CPU reads it."""
        base, memory = FLASH_BASE, self._flash
        if address >= FICR_BASE:
            base, memory = FICR_BASE, self._info
        start = address - base
        blank = memory[start : start + len(data)].count(0xFF) == len(data)
        memory[start : start + len(data)] = data
        if not blank:
            self._uc.ctl_remove_cache(address, address + len(data))
        if base == FLASH_BASE:
            first, last = address & -PAGE, address + len(data) - 1
            self._stale_pages.update(range(first, last + 1, PAGE))

    def load_rom_table(self, offset: int, data: bytes) -> None:
        """Content of the CoreSight ROM table page."""
        self._rom[offset : offset + len(data)] = data

    def protect_reads(self, address: int, size: int, *, denied: bool) -> None:
        """Makes flash pages unreadable and not executable, or undoes it."""
        rights = unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC
        self._uc.mem_protect(address, size, unicorn.UC_PROT_NONE if denied else rights)
        self._seal()
        self._uc.ctl_flush_tb()

    def _seal(self) -> None:
        """Keeps guest stores out of read-only memory.

        A region mapped from our memory, or split by `mem_protect`, lets a store
        through behind the write-protection hook until it was written once by
        `mem_write`, which leaves it sealed.
        """
        for start, _, rights in self._uc.mem_regions():
            if not rights & unicorn.UC_PROT_WRITE:
                self._uc.mem_write(start, bytes(self._uc.mem_read(start, 4)))

    # Execution

    @property
    def elapsed(self) -> int:
        """Instructions completed in this slice; for use inside callbacks."""
        return int(self._counter.value) - 1 if self._running else 0

    def stop_after_instruction(self) -> None:
        """Ends the slice when the present instruction has completed."""
        self._limit.value = self._counter.value

    def limit_slice(self, instructions: int) -> None:
        """Ends the slice after at most `instructions` in total."""
        if instructions < self._limit.value:
            self._limit.value = max(instructions, self._counter.value)

    def set_limit(self, instructions: int) -> None:
        """Ends the slice after `instructions` in total, sooner or later than before."""
        self._limit.value = max(instructions, self._counter.value)

    def abort(self) -> None:
        """From a callback: the access fails and its instruction does not complete."""
        self._aborted = True
        self._uc.emu_stop()

    def run(self, limit: int) -> Stop:
        """Executes at most `limit` (>= 1) instructions from the current PC."""
        self._aborted = False
        self._interrupt = None
        self._memory_fault = None
        if self.ram_code and self._ram_hooks:
            for hook in self._ram_hooks:  # seen once is enough, and costs time
                self._uc.hook_del(hook)
            self._ram_hooks.clear()
            self._uc.ctl_flush_tb()
        if self.masked_pending:
            self._watch_unmasking()
        uc = self._uc
        failure = unicorn.UC_ERR_OK
        self._running = True
        try:
            uc.emu_start(uc.reg_read(arm.UC_ARM_REG_PC) | 1, _ENDLESS, 0, limit)
        except unicorn.UcError as error:
            failure = error.errno
        finally:
            self._running = False
        if self._error is not None:
            error_, self._error = self._error, None
            raise error_
        counter, final = self._counter.value, self._limit.value
        executed = counter if counter <= final else counter - 1
        if (
            counter > final
            and failure == unicorn.UC_ERR_OK
            and self._interrupt is None
            and not self._aborted
        ):
            return Stop(StopReason.LIMIT, executed)
        return self._why(failure, executed)

    def _why(self, failure: int, executed: int) -> Stop:
        pc = self.get("pc")
        before = max(executed - 1, 0)
        if self._aborted:
            return Stop(StopReason.ABORT, before, pc)
        if self._memory_fault is not None:
            reason, address = self._memory_fault
            if reason is StopReason.FETCH and pc >= 0xFFFF_FFE0:
                return Stop(StopReason.EXC_RETURN, executed, pc)
            return Stop(reason, before, pc, address)
        if self._interrupt is not None:
            return self._why_interrupt(self._interrupt, pc, executed)
        last = self.memory_read(pc - 2, 2) if pc >= 2 else None
        if failure == unicorn.UC_ERR_OK:
            if last == b"\x30\xbf":
                return Stop(StopReason.WFI, executed, pc)
            wide = self.memory_read(pc - 4, 4) if pc >= 4 else None
            if wide == b"\xaf\xf3\x03\x80":
                return Stop(StopReason.WFI, executed, pc)
            raise VboardError(f"the engine stopped without a reason at 0x{pc:08x}")
        if failure == unicorn.UC_ERR_INSN_INVALID:
            return self._why_invalid(pc, executed)
        raise VboardError(f"engine error {failure} at 0x{pc:08x}")

    def _why_interrupt(self, number: int, pc: int, executed: int) -> Stop:
        if number == 2:
            return Stop(StopReason.SVC, executed, pc)
        if number in (3, 8) and pc >= 0xFFFF_FFE0:
            return Stop(StopReason.EXC_RETURN, executed, pc)
        before = max(executed - 1, 0)
        if number == 7:
            return Stop(StopReason.BKPT, before, pc)
        if number == 4:
            return Stop(StopReason.UNALIGNED, before, pc)
        if number == 1:
            return Stop(StopReason.UNDEFINED, before, pc)
        if number == 3:
            return Stop(StopReason.FETCH, before, pc, pc)
        raise VboardError(f"engine exception {number} at 0x{pc:08x}")

    def _why_invalid(self, pc: int, executed: int) -> Stop:
        """WFE and YIELD end as invalid instructions too, with PC behind them."""
        here = self.memory_read(pc - 2, 2) if pc >= 2 else None
        wide = self.memory_read(pc - 4, 4) if pc >= 4 else None
        if here == b"\x20\xbf" or wide == b"\xaf\xf3\x02\x80":
            return Stop(StopReason.WFE, executed, pc)
        if here == b"\x10\xbf" or wide == b"\xaf\xf3\x01\x80":
            return Stop(StopReason.LIMIT, executed, pc)
        if not self.get("xpsr") & 0x0100_0000:
            return Stop(StopReason.INVALID_STATE, max(executed - 1, 0), pc)
        return Stop(StopReason.UNDEFINED, max(executed - 1, 0), pc)

    # Callbacks

    def _mmio_read(self, uc: object, offset: int, size: int, base: int) -> int:
        try:
            return self.on_read(base + offset, size)
        except BaseException as error:
            self._fail(error)
            return 0

    def _mmio_write(
        self, uc: object, offset: int, size: int, value: int, base: int
    ) -> None:
        try:
            self.on_write(base + offset, size, value)
        except BaseException as error:
            self._fail(error)

    def _on_write_prot(self, *call: Any) -> bool:
        _, _, address, size, value, _ = call
        try:
            self.on_store(address, size, value & ((1 << (8 * size)) - 1))
        except BaseException as error:
            self._fail(error)
        return True

    def _on_memory_fault(self, *call: Any) -> bool:
        _, access, address, _, _, _ = call
        self._memory_fault = (_MEMORY_STOPS[access], address)
        return False

    def _on_interrupt(self, uc: object, number: int, data: object) -> None:
        self._interrupt = number
        self._uc.emu_stop()

    def _fail(self, error: BaseException) -> None:
        """Hands the error to the owner, who may turn it into a guest exception."""
        try:
            self.on_error(error)
            self.abort()
        except BaseException as final:
            self._error = final
            self.abort()

    # Unmasking instructions

    def _watch_unmasking(self) -> None:
        """Sees to it that a slice ends when the guest lowers a mask.

        Interrupts that wait for PRIMASK, BASEPRI or FAULTMASK must be taken right
        behind the instruction that lets them in.
        """
        pages, self._stale_pages = self._stale_pages, set()
        for page in pages:
            self._watch_page(page, self._flash[page : page + PAGE + 4])
        if self.ram_code:
            for page in range(0, RAM_SIZE, PAGE):
                self._watch_page(RAM_BASE + page, self._ram[page : page + PAGE + 4])

    def _watch_page(self, page: int, content: bytes) -> None:
        wanted = {
            page + match.end()
            for match in _UNMASK.finditer(content)
            if match.start() % 2 == 0 and match.start() < PAGE
        }
        hooks = self._unmask_hooks.get(page, {})
        if wanted == hooks.keys():
            return
        for address in hooks.keys() - wanted:
            self._uc.hook_del(hooks.pop(address))
        for address in wanted - hooks.keys():
            hooks[address] = self._uc.hook_add(
                unicorn.UC_HOOK_BLOCK, self._on_unmask, begin=address, end=address
            )
            self._uc.ctl_remove_cache(address, address + 2)
        self._unmask_hooks[page] = hooks

    def _on_ram_code(self, uc: object, address: int, size: int, data: object) -> None:
        if not self.ram_code:
            self.ram_code = True
            self.stop_after_instruction()

    def _on_unmask(self, uc: object, address: int, size: int, data: object) -> None:
        if self.masked_pending:
            self._limit.value = self._counter.value

    def close(self) -> None:
        """Gives the memory back."""
        self._uc._Uc__finalizer()


def _find_counters(uc: Any) -> tuple[ctypes.c_uint64, ctypes.c_uint64]:
    """Finds Unicorn's instruction counter and limit in its engine object.

    Runs three instructions and a wait under an odd limit, then looks for the two
    neighbouring words with these values. Fails loudly when Unicorn changed.
    """
    limit, start = 0x0123_4567, RAM_BASE
    code = struct.pack("<4H", 0xBF00, 0xBF00, 0xBF00, 0xBF30)
    uc.mem_write(start, code)
    uc.emu_start(start | 1, _ENDLESS, 0, limit)
    uc.mem_write(start, bytes(len(code)))
    uc.ctl_remove_cache(start, start + len(code))
    handle = uc._uch.value
    size = _allocated_size(handle)
    words = (ctypes.c_uint64 * (size // 8)).from_address(handle)
    places = [
        index
        for index in range(len(words) - 1)
        if words[index] == 4 and words[index + 1] == limit
    ]
    if len(places) != 1:
        raise VboardError(
            "this Unicorn build keeps its instruction counter somewhere unexpected; "
            f"expected version 2.1.4, got {unicorn.__version__}"
        )
    address = handle + 8 * places[0]
    return (
        ctypes.c_uint64.from_address(address),
        ctypes.c_uint64.from_address(address + 8),
    )


def _allocated_size(handle: int) -> int:
    """Bytes that may be read at `handle` (the allocator knows on Linux)."""
    try:
        usable = ctypes.CDLL(None).malloc_usable_size
    except (AttributeError, OSError):
        return 4096
    usable.restype, usable.argtypes = ctypes.c_size_t, [ctypes.c_void_p]
    return int(usable(handle))
