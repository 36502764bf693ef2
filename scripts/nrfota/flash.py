# SPDX-License-Identifier: Apache-2.0
"""Puts firmware on a board: provision, stage, arm, reset, follow the console.

Rule 1: one flow for every runner; what differs is behind `Runner` and `Link`.
Rule 2: everything that can be refused is refused before the first step.
Rule 3: the request to update lives in RAM, so it is written last and the chip is
        reset right after it. Runners that cannot write RAM put it into the journal.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from nrfota import console
from nrfota.arm import BootRequest, check_downgrade
from nrfota.arm_journal import armed_journal
from nrfota.at import Link
from nrfota.errors import OtaError, UsageError
from nrfota.fw_info import FwInfo
from nrfota.hexfile import write_hex
from nrfota.journal import State, Step, read_journal
from nrfota.layout import Layout
from nrfota.outputs import Output, write_outputs
from nrfota.runners import Capability, Erase, Runner
from nrfota.stage import Staged, StageOptions, stage
from nrfota.update_times import StepTime, UpdateTimes

# The installed version starts within this time after a reset.
START_S = 30.0


@dataclass(frozen=True)
class Provision:
    """Program `hex_path`; its journal says `version` runs (None: not looked at)."""

    hex_path: Path
    erase: Erase
    version: int | None


@dataclass(frozen=True)
class Stage:
    """Store `data` in the modem as `name`."""

    data: bytes = field(repr=False)
    name: str
    options: StageOptions


@dataclass(frozen=True)
class Arm:
    """Ask for the update `fw_info`; `path` is None when staging decides it."""

    fw_info: FwInfo = field(repr=False)
    path: str | None
    allow_downgrade: bool = False


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The steps to take, in this order; None leaves one out."""

    provision: Provision | None = None
    stage: Stage | None = None
    arm: Arm | None = None
    reset: bool = True
    watch: int | None = None  # the version that must report itself
    timeout_s: float = 900.0
    dry_run: bool = False

    def check(self, runner: Runner) -> None:
        """Refuses what cannot work, before anything is touched."""
        by_journal = self.arm is not None and arms_by_journal(runner.capabilities)
        needs = {
            Capability.PROVISION: self.provision is not None,
            Capability.WRITE_RAM: self.arm is not None and not by_journal,
            Capability.RESET: self.reset and self.arm is not None,
        }
        for capability, needed in needs.items():
            if needed and capability not in runner.capabilities:
                raise UsageError(
                    f"runner {runner.name} cannot {capability.value}; use a debug "
                    "probe with -r pyocd, nrfutil, nrfjprog or openocd, or let the "
                    "application ask for the update itself"
                )
        if self.arm and self.arm.path is None and self.stage is None:
            raise UsageError(
                "arming without staging needs --modem-path, the file's place in the "
                "modem, like E:/fw_2.ebin"
            )
        if self.arm and not self.reset and runner.name == "sim":
            raise UsageError(
                "the virtual board's RAM ends with this command, so --arm needs --reset"
            )


def arms_by_journal(capabilities: frozenset[Capability]) -> bool:
    """Whether a runner cannot write RAM, but can rewrite the journal."""
    by_journal = {Capability.PROVISION, Capability.READ_FLASH}
    return Capability.WRITE_RAM not in capabilities and by_journal <= capabilities


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Opens the serial links that the runner does not bring."""

    modem: Callable[[], Link]
    console: Callable[[], Link] | None


@dataclass(frozen=True)
class Told:
    """Where to tell what happens: steps, and console lines with the seconds since
    the last reset (in the time of the board: simulated on the virtual one)."""

    step: Callable[[str], None]
    line: Callable[[str, float], None]


@dataclass(frozen=True)
class Flashed:
    """What was done."""

    staged: Staged | None = None
    report: console.Report | None = None
    times: tuple[StepTime, ...] = ()


def flash(
    runner: Runner, plan: Plan, *, layout: Layout, ports: Ports, told: Told
) -> Flashed:
    """Carries out `plan`; raises the `OtaError` of the step that failed."""
    plan.check(runner)
    return _Flow(runner, plan, layout=layout, ports=ports, told=told).run()


class _Flow:
    """One run of the plan."""

    def __init__(
        self, runner: Runner, plan: Plan, *, layout: Layout, ports: Ports, told: Told
    ) -> None:
        self._runner = runner
        self._plan = plan
        self._layout = layout
        self._ports = ports
        self._told = told
        self._console: Link | None = None
        self._lines = console.Lines()
        self._reset_s = 0.0  # when the last reset was, on the console's clock
        self._times: UpdateTimes | None = None
        self._provision_s: float | None = None

    def run(self) -> Flashed:
        plan = self._plan
        try:
            if not plan.dry_run and (plan.provision or plan.arm or plan.reset):
                self._runner.check()
            if plan.provision is not None:
                self._provision(plan.provision)
            self._check_version()
            staged = self._stage(plan.stage) if plan.stage is not None else None
            if plan.arm is not None:
                self._arm(plan.arm, staged)
            if plan.reset and plan.arm is not None:
                self._reset("the bootloader takes over")
                info = plan.arm.fw_info
                self._times = UpdateTimes(
                    cipher_size=info.ebin_size, plain_size=info.pbin_size
                )
            report = self._watch()
            return Flashed(staged, report, self._all_times(staged))
        finally:
            if self._console is not None:
                self._console.close()
            self._runner.close()

    def _provision(self, step: Provision) -> None:
        what = "" if step.version is None else f", version {step.version}"
        self._told.step(f"provision: {step.hex_path}{what}, erasing {step.erase.value}")
        start = time.monotonic()
        self._runner.provision(step.hex_path, erase=step.erase)
        if self._runner.name != "sim":  # a probe's time would be no simulated time
            self._provision_s = time.monotonic() - start
        if not self._plan.reset or Capability.RESET not in self._runner.capabilities:
            return
        self._open_console()
        self._reset("the installed version starts")
        followed_later = self._plan.arm is None
        if self._console is None or step.version is None or followed_later:
            return
        self._told.step(f"watch: version {step.version} starts")
        console.follow(
            self._console,
            version=step.version,
            timeout_s=START_S,
            on_line=self._line,
            lines=self._lines,
        )

    def _stage(self, step: Stage) -> Staged | None:
        how = "RTS/CTS" if step.options.flow_control else f"{step.options.pace} pace"
        self._told.step(
            f"stage: {step.name}, {len(step.data)} bytes, drive {step.options.drive}, "
            f"{how}"
        )
        if self._plan.dry_run:
            return None
        link = self._runner.modem_link() or self._ports.modem()
        try:
            options = replace(step.options, keep=self._kept_paths)
            return stage(step.data, link, name=step.name, options=options)
        finally:
            link.close()

    def _check_version(self) -> None:
        """Before minutes of staging: what the bootloader would refuse in the end.

        What was just provisioned is known without asking; so is the journal that is
        written anew. In the middle of an update it is not known what will run.
        """
        plan, arm = self._plan, self._plan.arm
        known = plan.provision is not None or plan.dry_run
        late = plan.stage is None and arms_by_journal(self._runner.capabilities)
        if arm is None or arm.allow_downgrade or known or late:
            return
        state = self._journal_state()
        running = None
        if state is not None and state.step == Step.IDLE:
            running = state.current
        elif state is not None and state.step == Step.TRIAL:
            running = state.pending  # once it is confirmed; before, all is refused
        if running is not None:
            check_downgrade(arm.fw_info, running=running.fw_info)

    def _journal_state(self) -> State | None:
        """What the board's journal says; None when it cannot be read."""
        if Capability.READ_FLASH not in self._runner.capabilities:
            return None
        region = self._layout.flash_region("journal")
        try:
            flash = self._runner.read_flash(region.start, region.size)
        except OtaError:  # it is not what was asked for
            return None
        return read_journal(flash, page_size=self._layout.flash.page).state

    def _kept_paths(self) -> frozenset[str] | None:
        """Files that the board's journal needs; None when it cannot be read."""
        state = self._journal_state()
        if state is None or state.current is None:
            return None
        versions = (state.current, state.pending, *state.previous)
        return frozenset(version.path for version in versions if version is not None)

    def _arm(self, step: Arm, staged: Staged | None) -> None:
        path = staged.path if staged is not None else step.path
        if path is None:  # dry run: staging would have chosen the drive
            assert self._plan.stage is not None
            path = f"E:/{self._plan.stage.name}"
        request = BootRequest(step.fw_info, path, step.allow_downgrade)
        what = f"arm: version {step.fw_info.version} from {path}"
        if arms_by_journal(self._runner.capabilities):
            self._told.step(f"{what}, by {self._layout.flash_region('journal')}")
            self._arm_journal(request)
            return
        region = self._layout.ram_region("boot_request")
        packed = request.pack()
        self._told.step(f"{what}, {len(packed)} bytes to RAM at 0x{region.start:08x}")
        self._runner.write_ram(region.start, packed)

    def _arm_journal(self, request: BootRequest) -> None:
        region = self._layout.flash_region("journal")
        if self._console is not None:  # the chip stops while it is programmed
            console.drain(self._console, on_line=self._line, lines=self._lines)
            self._console.close()
            self._console = None
        flash = self._runner.read_flash(region.start, region.size)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "journal.hex"
            if not self._plan.dry_run:
                segments = armed_journal(flash, request, layout=self._layout)
                text = write_hex(segments)
                write_outputs([Output(path, text.encode(), secret=True)])
            self._runner.provision(path, erase=Erase.TOUCHED)

    def _reset(self, why: str) -> None:
        self._told.step(f"reset: {why}")
        if self._console is not None:
            console.drain(self._console, on_line=self._line, lines=self._lines)
        self._open_console_before_reset()
        if self._console is not None:
            self._reset_s = self._console.now()
        self._runner.reset()

    def _open_console_before_reset(self) -> None:
        """A console opened after the reset could miss the first lines."""
        if self._plan.watch is not None:
            self._open_console()

    def _open_console(self) -> None:
        if self._console is not None or self._plan.dry_run or self._plan.watch is None:
            return
        self._console = self._runner.console_link()
        if self._console is None and self._ports.console is not None:
            self._console = self._ports.console()
        if self._console is not None:
            self._reset_s = self._console.now()

    def _line(self, text: str) -> None:
        assert self._console is not None
        seconds = self._console.now() - self._reset_s
        if self._times is not None:
            self._times.line(text, seconds=seconds)
        self._told.line(text, seconds)

    def _all_times(self, staged: Staged | None) -> tuple[StepTime, ...]:
        found: list[StepTime] = []
        if self._plan.provision is not None and not self._plan.dry_run:
            found.append(StepTime("provision", self._provision_s))
        if staged is not None:
            found.append(StepTime("upload", staged.upload_s, staged.size))
            found.append(StepTime("read back", staged.verify_s, staged.size))
        if self._times is not None and self._times.total is not None:
            found += self._times.steps
            found.append(StepTime("reset to start", self._times.total))
        return tuple(found)

    def _watch(self) -> console.Report | None:
        plan = self._plan
        if plan.watch is None:
            return None
        self._told.step(
            f"watch: until version {plan.watch} reports, at most {plan.timeout_s:g} s"
        )
        if plan.dry_run:
            return None
        self._open_console()
        if self._console is None:
            raise UsageError(
                "watching needs the board's console: --console-port /dev/ttyACM0"
            )
        return console.follow(
            self._console,
            version=plan.watch,
            timeout_s=plan.timeout_s,
            on_line=self._line,
            lines=self._lines,
        )
