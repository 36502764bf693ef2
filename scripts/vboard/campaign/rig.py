# SPDX-License-Identifier: Apache-2.0
"""One board with its modem, used again for case after case.

Rule 1: a case begins at a whole second of simulated time, with the board's count of
        resets at zero and a new modem, so that it runs the same alone or as the
        thousandth.
Rule 2: the first instruction in a guarded region after each reset is looked at: the
        region's content must be one of its images, judged at that very instant.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vboard.board import Board
from vboard.campaign.faults import ModemFaults
from vboard.campaign.power import OFF_MS, ModemMoment, Start
from vboard.campaign.scenario import Image, Region, Scenario
from vboard.clock import NS_PER_MS, NS_PER_S
from vboard.cpu_stop import RunEnd
from vboard.errors import GuestError, VboardError
from vboard.fabric import ResetKind
from vboard.modem.faults import FaultPlan
from vboard.modem.line import Mode
from vboard.modem.power_key import connect_pwrkey
from vboard.modem.sim7600 import Sim7600
from vboard.modem.storage import Storage
from vboard.nv import FLASH_SIZE, PAGE_COUNT, PAGE_SIZE, NvMemory, OperationKind
from vboard.wire import Burst

# Registers without a reset value, and all that make the CPU's state.
_UNKNOWN = (
    *(f"r{number}" for number in range(13)),
    *(f"s{number}" for number in range(32)),
)
_STATE = (
    *_UNKNOWN,
    *("sp", "lr", "pc", "xpsr", "msp", "psp"),
    *("control", "primask", "basepri", "faultmask", "fpscr"),
)
RAM_BASE, RAM_SIZE = 0x2000_0000, 0x4_0000


class HiddenPageTouched(VboardError):
    """Something read, executed or wrote the page that was to be erased first."""


@dataclass
class Seen:
    """What happened since the last power-on."""

    resets: int = 0
    ran: dict[str, Image] = field(default_factory=dict)  # region: image, last boot
    shown: bool = False  # the application's console text came
    shown_ns: int = 0
    entered_ns: int = 0
    fault: str = ""  # why the case is lost already
    touched: bool = False  # the hidden page was
    console: bytearray = field(default_factory=bytearray)


class Rig:
    """The machine. `folder` is where the modem's files are kept."""

    def __init__(self, scenario: Scenario, folder: Path) -> None:
        self.scenario = scenario
        self.nv = NvMemory()
        self.board = Board(self.nv)
        self.storage = Storage(folder)
        self.modem: Sim7600 | None = None
        self.seen = Seen()
        self.started_ns = 0
        self.limit_s = scenario.bounds.time_s
        self.commands: dict[str, int] = {}  # AT names, how often they came
        self.modem_touched = False  # the chip spoke to it or pressed its key
        self.resets = 0  # of the whole case
        self.recovery_ns = 0  # until an application ran for the first time
        self.log: Callable[[int, str], None] | None = None
        self._files: dict[str, bytes] = {}
        self._stamps: dict[str, tuple[int, int, int]] = {}
        self._hooks: dict[str, int] = {}
        self._spent: list[str] = []
        self._command, self._command_ns = "", 0
        self._boots: dict[bytes, frozenset[str]] = {}  # flash: what it boots to
        self._early: list[Burst] = []
        self._hidden: int | None = None  # address of a page that nobody may look at
        self._meeting: tuple[int, Callable[[object], None]] | None = None
        self._trace_of_run: list[tuple[object, ...]] = []
        self._is_met = False
        self.nv.on_operation = self._operation
        self.on_operation: Callable[[int, OperationKind, int, int], None] | None = None
        self.board.uart(scenario.console_uart).tx.on_burst = self._on_console
        self.board.on_reset.append(self._on_reset)
        if scenario.modem_key is not None:
            gpio: Any = self.board.block("GPIO")
            connect_pwrkey(
                gpio, self, scenario.modem_key, active_high=scenario.modem_key_high
            )

    def set_pwrkey(self, low: bool) -> None:
        """The key of the modem that is there now."""
        self.modem_touched |= low
        if self.modem is not None:
            self.modem.set_pwrkey(low)

    # Power

    def power_on(self, start: Start, *, faults: ModemFaults, seed: int) -> None:
        """Everything as `start` says, and the supply comes."""
        if self.modem is not None:
            self.modem.power_off()
        self.hide(None)
        self._forget_meeting()
        self._is_met = False
        self._align()
        self.nv.restore(start.nv)
        self._put_files(start.files)
        clock = self.board.clock
        modem = Sim7600(
            clock,
            self.storage,
            profile=faults.profile,
            faults=faults.plan,
            seed=seed,
            trace=self._trace,
        )
        self.modem = modem
        self._command = ""
        self.commands = {}
        faulty = bool(faults.knobs or faults.plan.faults)
        self.limit_s = self.scenario.bounds.time_s * (4 if faulty else 1)
        if start.modem is None:
            modem.power_on()
        else:
            self._go_on(modem, start.modem)
        self.board.seed, self.board.resets = seed, 0
        self.seen = Seen()
        self.board.power_cycle()
        # Unknown on the chip; here not what the case before left.
        self.board.cpu.registers(*_UNKNOWN).write(*(0 for _ in _UNKNOWN))
        self._wire(modem)
        self.started_ns = clock.now_ns
        self.resets = self.recovery_ns = 0
        self.modem_touched = False

    def use_faults(self, faults: FaultPlan) -> None:
        """The modem's faults from now on."""
        assert self.modem is not None
        self.modem.faults = faults
        self.modem.port.use_faults(faults)

    def power_cycle(self) -> None:
        """The chip's supply goes and comes; the modem keeps its own."""
        self.seen = Seen()
        self.board.power_cycle()

    def _align(self) -> None:
        clock, core = self.board.clock, self.board.core
        target = (clock.now_ns // NS_PER_S + 2) * NS_PER_S
        clock.advance_to_ns(target)
        core.skip_to_ns(target)

    def _go_on(self, modem: Sim7600, moment: ModemMoment) -> None:
        """The modem goes on with what it did when the chip lost power."""
        clock = self.board.clock
        modem.start_ready()
        modem.port.baud = moment.baud
        modem.line.echo = moment.echo
        self._early = []
        modem.tx.on_burst = self._early.append
        if moment.command:
            modem.line.echo = False
            modem.line.feed(moment.command.encode() + b"\r")
            modem.line.echo = moment.echo
        off_ns = (moment.since_ms + OFF_MS) * NS_PER_MS
        clock.advance_to_ns(clock.now_ns + off_ns)
        self.board.core.skip_to_ns(clock.now_ns)

    def _wire(self, modem: Sim7600) -> None:
        uart = self.board.uart(self.scenario.modem_uart)
        early, self._early = self._early, []
        modem.attach(uart.tx, uart.rx)
        listen = uart.tx.on_burst

        def hear(burst: Burst) -> None:
            self.modem_touched = True
            listen(burst)

        uart.tx.on_burst = hear
        now_ns = self.board.clock.now_ns
        for burst in early:  # what is still on the wire
            gone = max(0, math.ceil((now_ns - burst.start_ns) / burst.byte_ns))
            if gone < len(burst.data):
                start_ns = burst.start_ns + gone * burst.byte_ns
                uart.rx.send(
                    Burst(start_ns, burst.byte_ns, burst.data[gone:], burst.bits)
                )

    # A page that must not matter

    def hide(self, page: int | None) -> None:
        """From now on page number `page` may only be erased; then it is as any other.

        HiddenPageTouched comes out of the run otherwise.
        """
        if self._hidden is not None:
            self.board.cpu.protect_reads(self._hidden, PAGE_SIZE, denied=False)
        self._hidden = None
        if page is not None and page < PAGE_COUNT:
            self._hidden = page * PAGE_SIZE
            self.board.cpu.protect_reads(self._hidden, PAGE_SIZE, denied=True)

    @property
    def is_hidden(self) -> bool:
        """Whether the page is hidden still: nothing erased it."""
        return self._hidden is not None

    # Runs that become the same

    def watch_erase(self, page: int, check: Callable[[object], None]) -> None:
        """Calls `check` once, when `page` was erased, with the state of everything.

        Equal for two runs that began with the same flash but for that page, with the
        same modem and files: what the CPU holds, RAM, time, and each access to a
        register and each flash operation that there was. Not called when a reset or
        an application came first.
        """
        self._meeting = page, check
        self._trace_of_run.clear()
        self.board.core.on_access = self._note_access

    def _note_access(self, is_write: bool, address: int, size: int, value: int) -> None:
        self._trace_of_run.append(
            (is_write, address, size, value, self.board.clock.now_ns - self.started_ns)
        )

    def _forget_meeting(self) -> None:
        if self._meeting is not None:
            self._meeting = None
            self._trace_of_run.clear()
            self.board.core.on_access = None

    def _meet(self) -> None:
        """Between two instructions, soon after the erase."""
        assert self._meeting is not None
        cpu, check = self.board.cpu, self._meeting[1]
        digest = hashlib.sha256(repr(self._trace_of_run).encode())
        digest.update(repr(cpu.registers(*_STATE).read()).encode())
        digest.update(self.board.ram_read(RAM_BASE, RAM_SIZE))
        ran = sorted((name, image.name) for name, image in self.seen.ran.items())
        digest.update(repr((ran, bytes(self.seen.console))).encode())
        at_ns = self.board.clock.now_ns - self.started_ns
        self._forget_meeting()
        check((at_ns, digest.digest()))

    def _operation(
        self, number: int, kind: OperationKind, address: int, value: int
    ) -> None:
        if self.on_operation is not None:
            self.on_operation(number, kind, address, value)
        if self._meeting is not None:
            at_ns = self.board.clock.now_ns - self.started_ns
            self._trace_of_run.append((kind.value, address, value, at_ns))
            if (
                kind is OperationKind.ERASE_PAGE
                and address >> 12 == self._meeting[0]
                and not self._is_met
            ):
                self._is_met = True
                self.board.cpu.stop_after_instruction()
        hidden = self._hidden
        if hidden is not None and hidden <= address < hidden + PAGE_SIZE:
            if kind is not OperationKind.ERASE_PAGE:
                self.seen.touched = True
            self.hide(None)

    def _touches_hidden(self, start: int, size: int) -> bool:
        hidden = self._hidden
        return (
            hidden is not None and start < hidden + PAGE_SIZE and hidden < start + size
        )

    # The modem's files

    def _put_files(self, files: Mapping[str, bytes]) -> None:
        if self.files() == files:
            return
        for path in list(self._files):
            if path not in files:
                self.storage.delete(path)
        self.storage.make_drives("CEF")
        for path, data in files.items():
            if self._files.get(path) != data:
                self.storage.write(path, data, seconds=1_767_225_600)
        self.files()

    def files(self) -> dict[str, bytes]:
        """What the modem's drives hold now, by path."""
        stamps: dict[str, tuple[int, int, int]] = {}
        for drive in "CDEF":
            folder = self.storage.folder / drive
            if not folder.is_dir():
                continue
            for place in folder.iterdir():
                if place.is_file():
                    stat = place.stat()
                    stamps[f"{drive}:/{place.name}"] = (
                        stat.st_ino,
                        stat.st_mtime_ns,
                        stat.st_size,
                    )
        if stamps != self._stamps:
            self._files = {path: self.storage.read(path) for path in stamps}
            self._stamps = stamps
        return self._files

    def moment(self) -> ModemMoment:
        """What the modem is doing now."""
        modem = self.modem
        assert modem is not None
        busy = modem.line.mode is Mode.BUSY and bool(self._command)
        since_ns = self.board.clock.now_ns - self._command_ns
        return ModemMoment(
            baud=modem.port.baud,
            echo=modem.line.echo,
            command=self._command if busy else "",
            # Steps of 10 ms: a tenth of a page on its way.
            since_ms=since_ns // (10 * NS_PER_MS) * 10 if busy else 0,
        )

    def _trace(self, text: str) -> None:
        if text.startswith(">> "):
            self._command, self._command_ns = text[3:], self.board.clock.now_ns
            name = re.split(r"[=?;]", text[3:].removeprefix("AT").lstrip("+"))[0]
            self.commands[name] = self.commands.get(name, 0) + 1
        if self.log is not None:
            self.log(self.board.clock.now_ns, f"modem {text}")

    # Running

    def run_until(self, stop: Callable[[], bool], *, limit_ns: int) -> None:
        """Runs until `stop`, or until the case is lost (`seen.fault` says why)."""
        seen, bounds = self.seen, self.scenario.bounds

        def look() -> bool:
            if self._spent:
                self._unhook()
            if self._is_met:
                self._is_met = False
                self._meet()
            return (
                bool(seen.fault)
                or seen.touched
                or seen.resets > bounds.resets
                or stop()
            )

        try:
            end = self.board.run(limit_ns, look)
        except GuestError as error:
            if self._hidden is not None:
                raise HiddenPageTouched(str(error)) from error
            seen.fault = f"the chip does not allow it: {error}"
            return
        if seen.touched:
            raise HiddenPageTouched("the page was written or judged")
        if seen.resets > bounds.resets:
            seen.fault = seen.fault or f"more than {bounds.resets} resets"
        elif end is RunEnd.TIME and not stop():
            seconds = (limit_ns - self.started_ns) // NS_PER_S
            seen.fault = seen.fault or f"no application within {seconds} s"
        elif end is RunEnd.IDLE and not seen.shown:
            seen.fault = seen.fault or "the processor sleeps for ever"

    def run_to_application(self, *, settle_ms: int) -> None:
        """Until an application has run for `settle_ms` without a reset."""
        clock, settle_ns = self.board.clock, settle_ms * NS_PER_MS
        limit_ns = self.started_ns + self.limit_s * NS_PER_S
        seen = self.seen
        self.run_until(
            lambda: seen.shown and clock.now_ns - seen.shown_ns >= settle_ns,
            limit_ns=limit_ns,
        )
        self.recovery_ns = self.recovery_ns or seen.shown_ns - self.started_ns

    def boot_again(self, *, settle_ms: int) -> frozenset[str]:
        """Cycles the power once more; the names of the images that run in the end.

        Flash alone decides that when the boot neither changes flash nor has a use for
        the modem; so such a boot is made once for each content of flash.
        """
        key = self._content()
        known = self._boots.get(key)
        if known is not None:
            return known
        touched, self.modem_touched = self.modem_touched, False
        before = self.nv.operations, self.resets
        self.started_ns = self.board.clock.now_ns
        self.power_cycle()
        self.run_to_application(settle_ms=settle_ms)
        ran = frozenset(image.name for image in self.seen.ran.values())
        quiet = not self.modem_touched and (self.nv.operations, self.resets) == before
        if key and quiet and not self.seen.fault:
            self._boots[key] = ran
        self.modem_touched |= touched
        return ran

    def _content(self) -> bytes:
        """Equal for equal flash; empty where a power-up may change what it reads."""
        if self.nv.unstable_pages:
            return b""
        return hashlib.sha256(bytes(self.nv.flash) + bytes(self.nv.uicr)).digest()

    # What the board tells

    def _on_console(self, burst: Burst) -> None:
        seen = self.seen
        seen.console += burst.data
        if self.log is not None:
            for line in burst.data.decode(errors="replace").splitlines():
                if line:
                    self.log(self.board.clock.now_ns, line)
        image = seen.ran.get(self.scenario.app_region)
        if not seen.shown and image is not None and image.console in seen.console:
            seen.shown, seen.shown_ns = True, self.board.clock.now_ns

    def _on_reset(self, kind: ResetKind) -> None:
        seen = self.seen
        if kind is not ResetKind.POWER_ON:
            self._forget_meeting()
        seen.resets += kind is not ResetKind.POWER_ON
        self.resets += kind is not ResetKind.POWER_ON
        seen.ran.clear()
        seen.shown = False
        seen.console.clear()
        if self._hidden is not None:  # the ACL's reset has shown it
            self.board.cpu.protect_reads(self._hidden, PAGE_SIZE, denied=True)
        for region in self.scenario.regions:
            if region.name not in self._hooks:
                self._hooks[region.name] = self.board.cpu.watch_execution(
                    region.start,
                    region.start + region.size,
                    lambda address, region=region: self._executes(region, address),
                )
        self._spent.clear()

    def _unhook(self) -> None:
        for name in self._spent:
            self.board.cpu.unwatch(self._hooks.pop(name))
        self._spent.clear()

    def _executes(self, region: Region, address: int) -> None:
        seen = self.seen
        if region.name in seen.ran or seen.fault:
            return
        self.board.cpu.stop_after_instruction()  # then this hook goes
        for image in region.images:
            if self._touches_hidden(image.start, image.size):
                seen.touched = True
                return
            if self._matches(image):
                seen.ran[region.name] = image
                break
        else:
            seen.fault = f"unverified code executed at 0x{address:08x} ({region.name})"
            return
        self._spent.append(region.name)
        if region.name == self.scenario.app_region:
            self._forget_meeting()
            seen.entered_ns = self.board.clock.now_ns
            seen.shown = not image.console
            seen.shown_ns = seen.entered_ns
            self._check_protection()
            if self.scenario.ram_is_checked:
                self._check_ram()

    def _matches(self, image: Image) -> bool:
        data = self.nv.flash[image.start : image.start + image.size]
        return hashlib.sha256(data).digest() == image.sha256

    def _check_protection(self) -> None:
        acl: Any = self.board.block("ACL")
        for part in self.scenario.protected:
            for page in range(part.start, part.start + part.size, PAGE_SIZE):
                if part.perm & ~acl.protection(page):
                    self.seen.fault = self.seen.fault or (
                        f"the application starts and page 0x{page:05x} ({part.name}) "
                        "is not protected"
                    )

    def _check_ram(self) -> None:
        ram = self.board.ram_read(RAM_BASE, RAM_SIZE)
        for secret in self.scenario.secrets:
            at = ram.find(secret.data)
            if at >= 0:
                self.seen.fault = self.seen.fault or (
                    f"{secret.name} is in RAM at 0x{RAM_BASE + at:08x} when the "
                    "application starts"
                )

    def secret_in_flash(self, label: str) -> str:
        """Which secret is in flash though it must not be with outcome `label`."""
        for secret in self.scenario.secrets:
            if label in secret.kept_with:
                continue
            at = self.nv.flash.find(secret.data, 0, FLASH_SIZE)
            if at >= 0:
                return f"{secret.name} is left in flash at 0x{at:05x}"
        return ""

    def close(self) -> None:
        """Switches everything off."""
        if self.modem is not None:
            self.modem.power_off()
        self.board.close()
