# SPDX-License-Identifier: Apache-2.0
"""The flow: provision, stage, arm, reset, watch, on a board that only records."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import pytest
from nrfota.arm import BootRequest
from nrfota.at import Link
from nrfota.ebin import seal
from nrfota.errors import LinkError, NoDeviceError, OtaError, UsageError
from nrfota.flash import Arm, Flashed, Plan, Ports, Provision, Stage, Told, flash
from nrfota.journal import Record, RecordType, Step, Version, build_page
from nrfota.runners import Capability, Erase
from nrfota.runners.base import EVERYTHING
from nrfota.stage import StageOptions
from support.fake_modem import FakeLink, FakeModem
from support.layouts import layout

INFO, CIPHER = seal(b"x" * 999, version=2, fp_base=0x1000, key=b"k" * 16, iv=bytes(16))
PROVISION = Provision(Path("factory.hex"), Erase.TOUCHED, 1)
STAGE = Stage(CIPHER, "fw.ebin", StageOptions())
PLAN = Plan(provision=PROVISION, stage=STAGE, arm=Arm(INFO, None), watch=2)


class Board:
    """Records; its console says which version runs after each reset."""

    name = "fake"

    def __init__(self) -> None:
        self.capabilities = EVERYTHING
        self.calls: list[str] = []
        self.ram: dict[int, bytes] = {}
        self.modem = FakeModem()
        self.console = FakeLink(name="console")
        self.brings_console = True
        self.after_update = 2
        self.missing: Exception | None = None
        self.journal = b"\xff" * 8192

    def check(self) -> None:
        self.calls.append("check")
        if self.missing:
            raise self.missing

    def provision(self, hex_path: Path, *, erase: Erase) -> None:
        self.calls.append(f"provision {hex_path}")

    def write_ram(self, address: int, data: bytes) -> None:
        self.calls.append(f"ram {len(data)}")
        self.ram[address] = data

    def reset(self) -> None:
        self.calls.append("reset")
        version = self.after_update if self.ram else 1
        self.console.reply(b"app: version %d running\r\n" % version)

    def read_flash(self, address: int, size: int) -> bytes:
        assert (address, size) == (0xFC000, 8192)
        return self.journal

    def modem_link(self) -> Link | None:
        self.calls.append("modem")
        return self.modem.link

    def console_link(self) -> Link | None:
        return self.console if self.brings_console else None

    def close(self) -> None:
        self.calls.append("close")


@pytest.fixture
def board() -> Board:
    return Board()


def no_modem() -> Link:
    raise NoDeviceError("no port")


def run(board: Board, plan: Plan, *, ports: Ports | None = None) -> Flashed:
    board.said = []  # type: ignore[attr-defined]
    return flash(
        board,
        plan,
        layout=layout(),
        ports=ports or Ports(modem=no_modem, console=None),
        told=Told(step=board.said.append, line=lambda line, seconds: None),  # type: ignore[attr-defined]
    )


def test_all_steps_in_their_order(board: Board) -> None:
    done = run(board, PLAN)
    assert board.calls == [
        *("check", "provision factory.hex", "reset", "modem", "ram 196", "reset"),
        "close",
    ]
    assert board.modem.files == {"E:/fw.ebin": CIPHER}
    assert done.report is not None
    assert done.report.version == 2


def test_times_of_what_was_measured(board: Board) -> None:
    """This board's bootloader says nothing of its steps."""
    done = run(board, PLAN)
    assert [step.name for step in done.times] == [
        *("provision", "upload", "read back", "start", "reset to start"),
    ]
    assert done.times[1].size == len(CIPHER)
    assert done.staged is not None
    assert done.times[1].seconds == done.staged.upload_s
    assert run(board, replace(PLAN, dry_run=True)).times == ()


def test_the_request_names_what_was_staged_where(board: Board) -> None:
    del board.modem.free["E"]
    run(board, PLAN)
    assert list(board.ram) == [0x2003FC00]
    request = BootRequest.unpack(board.ram[0x2003FC00])
    assert request == BootRequest(INFO, "F:/fw.ebin")


def test_the_installed_version_is_seen_before_the_update(board: Board) -> None:
    run(board, PLAN)
    said: list[str] = board.said  # type: ignore[attr-defined]
    assert [line.split(":")[0] for line in said] == [
        *("provision", "reset", "watch", "stage", "arm", "reset", "watch"),
    ]


def test_provisioning_alone_watches_the_installed_version(board: Board) -> None:
    done = run(board, Plan(provision=PROVISION, watch=1))
    assert done.report is not None
    assert done.report.version == 1


def test_provisioning_without_reset_leaves_the_chip_alone(board: Board) -> None:
    run(board, Plan(provision=PROVISION, reset=False))
    assert board.calls == ["check", "provision factory.hex", "close"]


def test_staging_alone_touches_no_probe(board: Board) -> None:
    run(board, Plan(stage=STAGE, reset=False))
    assert board.calls == ["modem", "close"]


def test_arming_what_was_staged_before(board: Board) -> None:
    run(board, Plan(arm=Arm(INFO, "C:/old.ebin"), watch=2))
    assert BootRequest.unpack(board.ram[0x2003FC00]).path == "C:/old.ebin"
    assert board.calls == ["check", "ram 196", "reset", "close"]


def test_the_old_version_after_arming_is_a_failure(board: Board) -> None:
    board.after_update = 1
    with pytest.raises(OtaError, match="expected version 2 to start"):
        run(board, PLAN)
    assert board.calls[-1] == "close"


def journal(version: int, step: Step = Step.IDLE, pending: int = 0) -> bytes:
    """The journal of a board that runs `version`."""
    records = (
        Record(RecordType.CURRENT, Version(replace(INFO, version=version), "").pack()),
        Record(RecordType.PENDING, Version(replace(INFO, version=pending), "").pack()),
        Record(RecordType.STEP, struct.pack("<Ii", step, 0)),
    )
    return build_page(records, sequence=1, page_size=4096) + b"\xff" * 4096


STAGED = Plan(stage=STAGE, arm=Arm(INFO, None), watch=2)


@pytest.mark.parametrize(
    "flash", [journal(3), journal(1, Step.TRIAL, 3)], ids=["runs", "on_trial"]
)
@pytest.mark.parametrize("stage", [STAGE, None], ids=["staged", "staged_before"])
def test_an_older_version_is_refused_before_anything_is_sent(
    board: Board, stage: Stage | None, flash: bytes
) -> None:
    board.journal = flash
    message = (
        "the device runs version 3 and the update is version 2: to go to an older "
        "version, use --allow-downgrade"
    )
    with pytest.raises(UsageError, match=message):
        run(board, Plan(stage=stage, arm=Arm(INFO, "E:/fw.ebin")))
    assert board.calls == ["check", "close"]


def test_an_older_version_is_asked_for_with_leave(board: Board) -> None:
    board.journal = journal(3)
    run(board, replace(STAGED, arm=Arm(INFO, None, allow_downgrade=True)))
    assert BootRequest.unpack(board.ram[0x2003FC00]).allow_downgrade


@pytest.mark.parametrize(
    "flash",
    [
        *(b"\xff" * 8192, bytes(8192), journal(2), journal(1)),
        *(journal(3, Step.PROGRAM, 9), journal(3, Step.TRIAL, 1)),
    ],
    ids=["blank", "protected", "the_same", "older", "in_work", "on_trial"],
)
def test_what_may_run_is_for_the_bootloader_to_judge(
    board: Board, flash: bytes
) -> None:
    board.journal = flash
    run(board, STAGED)
    assert not BootRequest.unpack(board.ram[0x2003FC00]).allow_downgrade


def test_any_bootloader_may_be_asked_for(board: Board) -> None:
    """Its version is in no journal."""
    board.journal = journal(3)
    loader = replace(INFO, fp_base=0xF6000)
    run(board, replace(STAGED, arm=Arm(loader, None)))


def test_silence_is_a_failure(board: Board) -> None:
    board.console.reply = lambda data, *, after_s=0.0: None  # type: ignore[method-assign]
    with pytest.raises(LinkError, match="expected 'app: version 2 running' on console"):
        run(board, Plan(arm=Arm(INFO, "C:/a"), watch=2, timeout_s=5.0))


def test_no_board_means_nothing_is_done(board: Board) -> None:
    board.missing = NoDeviceError("no probe")
    with pytest.raises(NoDeviceError):
        run(board, PLAN)
    assert board.calls == ["check", "close"]


def test_the_console_comes_from_a_port_when_the_runner_has_none(board: Board) -> None:
    board.brings_console = False
    ports = Ports(modem=no_modem, console=lambda: board.console)
    assert run(board, PLAN, ports=ports).report is not None


def test_watching_without_a_console_is_told(board: Board) -> None:
    board.brings_console = False
    with pytest.raises(UsageError, match="watching needs the board's console"):
        run(board, Plan(arm=Arm(INFO, "C:/a"), watch=2))


def test_the_modem_comes_from_a_port_when_the_runner_has_none(board: Board) -> None:
    board.modem_link = lambda: None  # type: ignore[method-assign]
    ports = Ports(modem=lambda: board.modem.link, console=None)
    assert run(board, PLAN, ports=ports).staged is not None


def test_a_dry_run_tells_the_steps_and_opens_nothing(board: Board) -> None:
    run(board, replace(PLAN, dry_run=True))
    said: list[str] = board.said  # type: ignore[attr-defined]
    assert said == [
        "provision: factory.hex, version 1, erasing only touched sectors",
        "reset: the installed version starts",
        f"stage: fw.ebin, {len(CIPHER)} bytes, drive auto, safe pace",
        "arm: version 2 from E:/fw.ebin, 196 bytes to RAM at 0x2003fc00",
        "reset: the bootloader takes over",
        "watch: until version 2 reports, at most 900 s",
    ]
    assert "check" not in board.calls
    assert "modem" not in board.calls


@pytest.mark.parametrize(
    ("missing", "plan", "message"),
    [
        (
            {Capability.WRITE_RAM, Capability.READ_FLASH},
            PLAN,
            "runner fake cannot write RAM; use a debug probe",
        ),
        ({Capability.PROVISION}, PLAN, "runner fake cannot program factory.hex"),
        ({Capability.RESET}, PLAN, "runner fake cannot reset the chip"),
    ],
    ids=["arm", "provision", "reset"],
)
def test_what_the_runner_cannot_do_is_refused_first(
    board: Board, missing: set[Capability], plan: Plan, message: str
) -> None:
    board.capabilities = EVERYTHING - missing
    with pytest.raises(UsageError, match=message):
        run(board, plan)
    assert board.calls == []


def test_arming_needs_to_know_the_path(board: Board) -> None:
    with pytest.raises(UsageError, match="arming without staging needs --modem-path"):
        run(board, Plan(arm=Arm(INFO, None)))


def test_the_virtual_boards_ram_does_not_wait(board: Board) -> None:
    board.name = "sim"  # type: ignore[misc]
    with pytest.raises(UsageError, match="so --arm needs --reset"):
        run(board, Plan(arm=Arm(INFO, "E:/a"), reset=False))
