# SPDX-License-Identifier: Apache-2.0
"""The virtual board as a runner: what survives, and its links."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest
from nrfota.errors import FormatError, NoDeviceError, OtaError, UsageError
from nrfota.hexfile import write_hex
from nrfota.runners import Erase, RunnerOptions
from nrfota.runners.sim import SimRunner
from nrfota.segment import Segment
from nrfota.stage import StageOptions, stage

BOARD = "nrf52840dk_sim7600e"


def sim(folder: Path) -> SimRunner:
    return SimRunner(RunnerOptions(sim_dir=folder, board=BOARD))


def hex_file(folder: Path, *segments: tuple[int, bytes]) -> Path:
    path = folder / "x.hex"
    path.write_text(write_hex([Segment(at, data, "x") for at, data in segments]))
    return path


def test_flash_survives_the_runner(tmp_path: Path) -> None:
    path = hex_file(tmp_path, (0x1FFE, b"abcd"), (0x1000_1080, b"uicr"))
    sim(tmp_path).provision(path, erase=Erase.TOUCHED)
    later = sim(tmp_path)
    assert later.read_flash(0x1FFE, 4) == b"abcd"
    assert later.read_flash(0x1000_1080, 4) == b"uicr"


def test_only_touched_sectors_are_erased(tmp_path: Path) -> None:
    board = sim(tmp_path)
    board.provision(
        hex_file(tmp_path, (0x1000, b"old!"), (0x1800, b"old!"), (0x3000, b"old!")),
        erase=Erase.TOUCHED,
    )
    board.provision(hex_file(tmp_path, (0x1000, b"new!")), erase=Erase.TOUCHED)
    assert board.read_flash(0x1000, 4) == b"new!"
    assert board.read_flash(0x1800, 4) == b"\xff" * 4
    assert board.read_flash(0x3000, 4) == b"old!"


def test_the_whole_chip_is_erased_when_asked(tmp_path: Path) -> None:
    board = sim(tmp_path)
    old = hex_file(tmp_path, (0x3000, b"old!"), (0x1000_1080, b"old!"))
    board.provision(old, erase=Erase.TOUCHED)
    board.provision(hex_file(tmp_path, (0x1000, b"new!")), erase=Erase.CHIP)
    assert board.read_flash(0x3000, 4) == b"\xff" * 4
    assert board.read_flash(0x1000_1080, 4) == b"\xff" * 4


def test_what_lies_outside_flash_is_refused(tmp_path: Path) -> None:
    path = hex_file(tmp_path, (0x2000_0000, b"ram!"))
    with pytest.raises(FormatError, match="data for flash or UICR, got 0x20000000"):
        sim(tmp_path).provision(path, erase=Erase.TOUCHED)


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"flow_control": True},
        {"flow_control": True, "baud": 921600},
        {"pace": "fast"},
    ],
    ids=["paced", "rts_cts", "921600", "fast"],
)
def test_staging_goes_through_the_emulated_modem(
    tmp_path: Path, how: dict[str, object]
) -> None:
    data = random.Random(3).randbytes(20_000)
    link = sim(tmp_path).modem_link()
    staged = stage(data, link, name="fw.ebin", options=StageOptions(**how))  # type: ignore[arg-type]
    link.close()
    link.close()
    assert (tmp_path / "modem/E/fw.ebin").read_bytes() == data
    assert staged.attempts == 1
    wire = len(data) * 10 / int(how.get("baud", 115200))  # type: ignore[call-overload]
    assert staged.upload_s > wire


def test_time_is_simulated(tmp_path: Path) -> None:
    link = sim(tmp_path).modem_link()
    assert link.read(3600.0) == b""
    assert link.now() == pytest.approx(3600.0)
    assert link.read(1e-12) == b""
    assert link.now() > 3600.0 - 1e-9


def test_a_missing_extra_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "unicorn", None)
    with pytest.raises(
        NoDeviceError, match=r"install it with: pip install nrfota\[sim"
    ):
        sim(tmp_path).check()


def test_it_needs_a_folder() -> None:
    with pytest.raises(UsageError, match="runner sim needs a build directory"):
        SimRunner(RunnerOptions(board=BOARD))


def test_what_the_board_does_wrong_is_our_error(tmp_path: Path) -> None:
    """Vectors that point nowhere."""
    board = sim(tmp_path)
    words = (0x2000_1000).to_bytes(4, "little") + (0x3000_0001).to_bytes(4, "little")
    board.provision(hex_file(tmp_path, (0, words)), erase=Erase.TOUCHED)
    console = board.console_link()
    with pytest.raises(OtaError, match="virtual board: "):
        console.read(1.0)
    board.close()


def test_a_dry_run_makes_no_files(tmp_path: Path) -> None:
    notes: list[str] = []
    board = SimRunner(
        RunnerOptions(
            sim_dir=tmp_path / "sim", board=BOARD, dry_run=True, on_note=notes.append
        )
    )
    board.provision(tmp_path / "f.hex", erase=Erase.TOUCHED)
    board.write_ram(0x2003FC00, bytes(4))
    board.reset()
    board.close()
    assert not (tmp_path / "sim").exists()
    assert notes == [
        f"sim: program {tmp_path}/f.hex, erase only touched sectors",
        "sim: write 4 bytes to RAM at 0x2003fc00",
        "sim: soft reset",
    ]
