# SPDX-License-Identifier: Apache-2.0
"""The processor core at work: slices of instructions, exceptions, sleep and time.

Rule 1: time is a count of 64 MHz cycles, one per instruction; `now_ns` is
        `cycles * 125 // 8`. A slice ends exactly at the next alarm.
Rule 2: whatever a register access changes (a pending interrupt, an earlier alarm, a
        reset) takes effect right behind the instruction that made it.
Rule 3: errors raised while a callback runs come out of `run`; bus errors become
        guest exceptions when `faults` is "guest".
"""

from __future__ import annotations

from collections.abc import Callable

from vboard import exceptions as x
from vboard import nvic as n
from vboard.clock import Clock
from vboard.cpu import Cpu
from vboard.cpu_access import block_at
from vboard.cpu_memory import FLASH_SIZE
from vboard.cpu_poll import LONGEST_JUMP, PollWatch, SpinWatch, machine_state
from vboard.cpu_stop import RunEnd, Stop, StopReason, event_sent
from vboard.cycles import cycles_at, ns_at
from vboard.dwt import MON_EN, Debug
from vboard.errors import GuestError, NoBlock
from vboard.exceptions import Exceptions, Lockup
from vboard.fabric import Bus, Peripheral, ResetKind
from vboard.fpu import Fpu
from vboard.mpu import Mpu
from vboard.nvic import Nvic
from vboard.scb import (
    DIV_0_TRP,
    HARDFAULT_DEBUGEVT,
    SEVONPEND,
    SLEEPONEXIT,
    PrivateBus,
    Scb,
)
from vboard.systick import SysTick

LONGEST_SLICE = 1 << 16  # about a millisecond
ENTRY_CYCLES = 12  # Cortex-M4 TRM, interrupt latency
PRIVATE_BUS = 0xE000_0000
SEMIHOSTING = b"\xab\xbe"  # BKPT 0xAB


class Core:
    """CPU, NVIC and system control space on one clock and bus."""

    def __init__(
        self,
        *,
        clock: Clock,
        bus: Bus,
        faults: str,
        bus_errors: tuple[type[GuestError], ...],
    ) -> None:
        self.clock, self.bus = clock, bus
        self.faults = faults
        self._bus_errors: tuple[type[GuestError], ...] = (NoBlock, *bus_errors)
        self.cpu = Cpu()
        self.nvic = Nvic()
        self.scb = Scb(self.nvic, self._current_exception)
        self.fpu = Fpu(lambda: bool(self.cpu.get("control") & x.FPCA))
        self.mpu = Mpu()
        self.debug = Debug(self._awake_cycles)
        self.systick = SysTick(clock, lambda: self.nvic.pend(n.SYSTICK))
        self.private = PrivateBus(
            nvic=self.nvic,
            scb=self.scb,
            systick=self.systick,
            fpu=self.fpu,
            mpu=self.mpu,
            debug=self.debug,
        )
        self.exceptions = Exceptions(
            cpu=self.cpu, nvic=self.nvic, scb=self.scb, fpu=self.fpu
        )
        self.exceptions.guest_faults = faults == "guest"
        self.on_access: Callable[[bool, int, int, int], None] | None = None
        self._base = 0  # cycles at the start of the slice
        self._counter = self.cpu.counter  # 1 + instructions completed in it
        self._blocks: dict[int, Peripheral] = {}  # by address of a register
        self._slept = 0
        self._flash_busy = 0  # until this cycle; for code in RAM
        self._in_slice = False
        self._trap_changed = False
        self._ending = False
        self._slice_end = 0
        self._sleeping: StopReason | None = None
        self._sleep_signal = bus.signal("CPU_SLEEP")
        self.off = False  # System OFF
        self._reset: ResetKind | None = None
        self._fault_address: int | None = None
        self._watch = PollWatch(machine_state(self.cpu))
        self._spin = SpinWatch(machine_state(self.cpu))
        self.do_reset: Callable[[ResetKind], None]
        self._connect()

    def _connect(self) -> None:
        cpu, bus = self.cpu, self.bus
        cpu.on_read, cpu.on_write, cpu.on_store = self._read, self._write, self._store
        cpu.on_error = self._error
        self.nvic.changed = self._look_again
        self.nvic.on_pend = self._pended
        self.scb.on_division_trap = self._division_trap
        self.scb.on_reset_request = lambda: self.request_reset(ResetKind.SOFT)
        bus.ram_read, bus.ram_write = cpu.ram_read, cpu.ram_write
        cpu.delays.skip = self._skip_delay
        bus.stall_cpu_until_ns = self._stall
        bus.request_reset = self.request_reset
        bus.request_system_off = self._system_off
        self.clock.on_alarm = self._alarm_set

    # Reset

    def request_reset(self, kind: ResetKind) -> None:
        """Resets the chip behind the present instruction."""
        self._reset = kind
        self._look_again()

    def skip_to_ns(self, at_ns: int) -> None:
        """Time has passed without power; for use between two runs."""
        self._base = max(self._base, cycles_at(at_ns))

    def _system_off(self) -> None:
        """A pin that senses already wakes the chip at once (PS, GPIO, DETECT)."""
        self.off = True
        self.bus.signal("SYSTEM_OFF").set(1)
        if self.bus.signal("DETECT").level:
            self._reset = ResetKind.SYSTEM_OFF
        self._look_again()

    def start(self) -> None:
        """The state that every reset leads to: vectors from address 0."""
        self.nvic.reset()
        self._trap_changed = bool(self.scb.ccr & DIV_0_TRP)
        self.scb.reset()
        self.fpu.reset()
        self.mpu.reset()
        self.debug.reset()
        self.systick.reset()
        self._sleeping, self.off, self._reset = None, False, None
        self._flash_busy = 0
        self._sleep_signal.set(0)
        self.bus.signal("SYSTEM_OFF").set(0)
        self.exceptions.event = False
        cpu = self.cpu
        vectors = cpu.memory_read(0, 8) or b""
        stack = int.from_bytes(vectors[0:4], "little")
        entry = int.from_bytes(vectors[4:8], "little")
        cpu.set("xpsr", x.THUMB)
        for name in ("faultmask", "primask", "basepri", "control", "psp", "fpscr"):
            cpu.set(name, 0)
        cpu.set("msp", stack & ~3)
        cpu.set("lr", 0xFFFF_FFFF)
        cpu.set("pc", entry)
        cpu.delays.refresh()
        if not entry & 1:
            self.exceptions.fault(x.INVSTATE, pc=entry)

    # Running

    @property
    def asleep(self) -> bool:
        """In WFI or WFE."""
        return self._sleeping is not None

    def run(
        self, until_ns: int | None = None, stop: Callable[[], bool] | None = None
    ) -> RunEnd:
        """Runs until `until_ns`, or `stop()` (asked between slices), or for ever."""
        self.skip_to_ns(self.clock.now_ns)
        end = None if until_ns is None else cycles_at(until_ns)
        while True:
            if stop is not None and stop():
                return RunEnd.STOPPED
            if end is not None and self._base >= end:
                return RunEnd.TIME
            if self._reset is not None:
                kind, self._reset = self._reset, None
                self.do_reset(kind)
            if self._sleeping is not None or self.off:
                if not self._sleep(end):
                    return RunEnd.IDLE
                continue
            try:
                self._step(end)
            except Lockup:
                self.request_reset(ResetKind.LOCKUP)
            except GuestError as error:
                if error.pc is None:  # found by an alarm, between two instructions
                    error.pc = self.cpu.get("pc")
                raise

    def _step(self, end: int | None) -> None:
        if self.nvic.pending & self.nvic.enabled:
            number = self.exceptions.to_take()
            if number:
                self._watch.interrupted()
                self.exceptions.enter(number)
                self._advance(ENTRY_CYCLES)
                return
        else:
            self.cpu.masked_pending = False
        if self._trap_changed:
            self._trap_changed = False
            on = bool(self.scb.ccr & DIV_0_TRP)
            self.cpu.division.watch(on, note=self.exceptions.on_fault)
        if self._flash_busy > self._base and self.cpu.get("pc") < FLASH_SIZE:
            # Code in RAM began it, and a handler in flash has to wait.
            self._advance(self._flash_busy - self._base)
            return
        slice_end = self._base + LONGEST_SLICE
        if end is not None and end < slice_end:
            slice_end = end
        next_ns = self.clock.next_ns()
        if next_ns is not None:
            slice_end = min(slice_end, cycles_at(next_ns))
        if slice_end <= self._base:
            self._advance(0)
            return
        if slice_end - self._base == LONGEST_SLICE:
            self.bus.sync()  # lets a program see DMA progress in RAM
        self._watch.new_slice()
        self._slice_end = slice_end
        self._ending = False
        self._in_slice = True
        try:
            stopped = self.cpu.run(slice_end - self._base)
        finally:
            self._in_slice = False
        self._advance(stopped.executed)
        if stopped.reason is not StopReason.LIMIT:
            self._watch.interrupted()
            self._handle(stopped)

    def _advance(self, cycles: int) -> None:
        self._base += cycles
        self.clock.advance_to_ns(ns_at(self._base))

    def _sleep(self, end: int | None) -> bool:
        """Jumps to the next alarm; False when there is none and no `end`."""
        if not self.off and self._awake() and not self._spin.stuck(self.cpu.get("pc")):
            self._sleeping = None
            self._sleep_signal.set(0)
            return True
        self._sleep_signal.set(1)
        next_ns = self.clock.next_ns()
        target = end if next_ns is None else cycles_at(next_ns)
        if target is None:
            return False
        if end is not None and target > end:
            target = end
        if target > self._base:
            self._spin.slept()
            self._slept += target - self._base
            self._base = target
        self.clock.advance_to_ns(ns_at(self._base))
        return True

    def _awake(self) -> bool:
        if self._sleeping is StopReason.WFE and self.exceptions.event:
            self.exceptions.event = False
            return True
        return self.exceptions.wakes(from_wfi=self._sleeping is StopReason.WFI)

    def _handle(self, stop: Stop) -> None:
        """Acts on what ended a slice early."""
        exceptions, pc = self.exceptions, stop.pc
        match stop.reason:
            case StopReason.WFI:
                self._sleeping = stop.reason
            case StopReason.WFE:
                self._wait_for_event(pc)
            case StopReason.SVC:
                exceptions.take_synchronous(n.SVCALL, pc=pc, cause="SVC")
                self._advance(ENTRY_CYCLES)
            case StopReason.EXC_RETURN:
                if not self._current_exception():
                    # In thread mode it is a branch to where nothing can execute.
                    exceptions.fault(x.IACCVIOL, pc=pc)
                    return
                exceptions.leave(pc)
                self._advance(ENTRY_CYCLES)
                if self.scb.scr & SLEEPONEXIT and not self.nvic.active:
                    self._sleeping = StopReason.WFI
            case StopReason.BKPT:
                self._breakpoint(pc)
            case StopReason.ABORT:
                exceptions.fault(x.PRECISERR, pc=pc, address=self._fault_address)
            case StopReason.FETCH | StopReason.READ | StopReason.WRITE:
                self._unmapped(stop)
            case _:
                exceptions.fault(x.FAULT_OF_STOP[stop.reason], pc=pc)

    def _unmapped(self, stop: Stop) -> None:
        what, flag = x.UNMAPPED_STOP[stop.reason]
        if self.faults != "guest":
            reason = "where there is no memory"
            if stop.address < FLASH_SIZE:
                reason = "which the ACL protects from reading"
            error = GuestError(f"{what} at 0x{stop.address:08x}, {reason}", block="bus")
            error.pc = stop.pc
            raise error
        address = None if flag == x.IBUSERR else stop.address
        self.exceptions.fault(flag, pc=stop.pc, address=address)

    def _breakpoint(self, pc: int) -> None:
        cause = "BKPT"
        if self.cpu.memory_read(pc, 2) == SEMIHOSTING:
            cause = "BKPT 0xAB (a semihosting call, and there is no debugger)"
        if self.debug.demcr & MON_EN:
            self.scb.dfsr |= 2
            self.exceptions.take_synchronous(n.DEBUG_MONITOR, pc=pc, cause=cause)
        else:
            self.exceptions.hard_fault(HARDFAULT_DEBUGEVT, pc=pc, cause=cause)

    def _wait_for_event(self, pc: int) -> None:
        if self.exceptions.event or event_sent(self.cpu.memory_read(pc - 10, 8)):
            self.exceptions.event = False
        else:
            self._sleeping = StopReason.WFE

    # Callbacks from the CPU, inside a slice

    # They bring the clock to the present cycle first. What they do is spelled out,
    # not shared: a call costs as much as what it would do.

    def _read(self, address: int, size: int) -> int:
        cycle: int = self._base + self._counter.value - 1
        now_ns = cycle * 125 // 8
        if now_ns > self.clock.now_ns:
            self.clock.now_ns = now_ns
        if address >= PRIVATE_BUS:
            value = self.private.read(address, size)
        else:
            self._fault_address = address
            block = self._blocks.get(address) if size == 4 else None
            if block is None:
                block = block_at(self.bus, address, size)
                self._blocks[address] = block
            value = block.read(address - block.base)
        if self.on_access is not None:
            self.on_access(False, address, size, value)
        period = self._watch.load(address, value, cycle)
        if period and not self._ending:
            self._jump(cycle, period)
        return value

    def _jump(self, cycle: int, period: int) -> None:
        """Repeats a busy-waiting loop without executing it, up to the next alarm."""
        passes = min(LONGEST_JUMP, self._slice_end - cycle - 1) // period
        if passes > 0:
            self._base += passes * period
            self._watch.jumped(passes * period)
            self.cpu.set_limit(self._slice_end - self._base)

    def _skip_delay(self, passes: int, cycles: int) -> int:
        """Passes of a delay loop that time lets go by, up to the next alarm."""
        if self._ending:
            return 0
        now = self._base + self.cpu.elapsed + 1  # between two instructions
        passes = min(passes, (self._slice_end - now - 1) // cycles)
        if passes <= 0:
            return 0
        self._base += passes * cycles
        self.cpu.set_limit(self._slice_end - self._base)
        return passes

    def _write(self, address: int, size: int, value: int) -> None:
        now_ns: int = (self._base + self._counter.value - 1) * 125 // 8
        if now_ns > self.clock.now_ns:
            self.clock.now_ns = now_ns
        self._watch.interrupted()
        if self.on_access is not None:
            self.on_access(True, address, size, value)
        if address >= PRIVATE_BUS:
            self.private.write(address, size, value)
        else:
            self._fault_address = address
            block = self._blocks.get(address) if size == 4 else None
            if block is None:
                block = block_at(self.bus, address, size)
                self._blocks[address] = block
            block.write(address - block.base, value)

    def _store(self, address: int, size: int, value: int) -> None:
        now_ns: int = (self._base + self._counter.value - 1) * 125 // 8
        if now_ns > self.clock.now_ns:
            self.clock.now_ns = now_ns
        self._watch.interrupted()
        self._fault_address = address
        self.bus.flash_store(address, size, value)

    def _error(self, error: BaseException) -> None:
        """Returns when the guest shall see the error as a bus fault."""
        if isinstance(error, GuestError):
            if error.pc is None:
                error.pc = self.cpu.get("pc")
            if self.faults == "guest" and isinstance(error, self._bus_errors):
                return
        raise error

    def _stall(self, until_ns: int) -> None:
        """Flash is busy: time goes on, the CPU does not (unless it runs from RAM)."""
        if not self._in_slice:
            return
        if self.cpu.ram_code and self.cpu.get("pc") >= FLASH_SIZE:
            self._flash_busy = cycles_at(until_ns)
            return
        counter: int = self._counter.value
        target = -(-until_ns * 8 // 125)
        base = target - counter + 1
        if base <= self._base:
            return
        self._base = base
        clock = self.clock
        target_ns = target * 125 // 8
        next_ns = clock.next_ns()
        if next_ns is None or next_ns > target_ns:
            clock.set_now_ns(target_ns)
        else:
            clock.advance_to_ns(target_ns)
            next_ns = clock.next_ns()
            if next_ns is not None:
                self._slice_end = min(self._slice_end, cycles_at(next_ns))
        if not self._ending:
            if self._slice_end < target:
                self._slice_end = target
            limit = self._slice_end - base
            self.cpu.limit.value = limit if limit > counter else counter

    def _division_trap(self) -> None:
        self._trap_changed = True
        self._look_again()

    def _look_again(self) -> None:
        if self._in_slice and not self._ending:
            self._ending = True
            self.cpu.stop_after_instruction()

    def _pended(self) -> None:
        if self.scb.scr & SEVONPEND:
            self.exceptions.event = True

    def _alarm_set(self, at_ns: int) -> None:
        if self._in_slice and not self._ending:
            cycles = cycles_at(at_ns)
            if cycles < self._slice_end:
                self._slice_end = cycles
                self.cpu.limit_slice(cycles - self._base)

    def _current_exception(self) -> int:
        return self.cpu.get("ipsr") & 0x1FF

    def _awake_cycles(self) -> int:
        return self._base + self.cpu.elapsed - self._slept
