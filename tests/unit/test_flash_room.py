# SPDX-License-Identifier: Apache-2.0
"""Staging into a full modem: what the board's journal needs stays."""

from __future__ import annotations

import pytest
from nrfota.at import Link
from nrfota.ebin import seal
from nrfota.errors import ModemError, OtaError
from nrfota.flash import Flashed, Plan, Ports, Stage, Told, flash
from nrfota.journal import factory_journal
from nrfota.runners import Capability
from nrfota.stage import StageOptions
from support.fake_modem import FakeModem
from support.layouts import layout

INFO, CIPHER = seal(b"x" * 9000, version=1, fp_base=0x1000, key=b"k" * 16, iv=bytes(16))
STAGE = Stage(bytes(40_000), "fw_3.ebin", StageOptions())
FILES = {"E:/fw_0.ebin": bytes(30_000), "E:/fw_1.ebin": bytes(30_000)}


class Board:
    """A runner with a full modem; `flash` is what its probe reads."""

    name = "fake"

    def __init__(self, flash: bytes | OtaError) -> None:
        self.capabilities = frozenset({Capability.READ_FLASH})
        self.modem = FakeModem(drives={"E": 75_000})
        self.modem.files |= FILES
        self._flash = flash

    def read_flash(self, address: int, size: int) -> bytes:
        assert (address, size) == (0xFC000, 0x2000)
        if isinstance(self._flash, OtaError):
            raise self._flash
        return self._flash

    def modem_link(self) -> Link:
        return self.modem.link

    def close(self) -> None:
        pass


def staged(board: Board) -> Flashed:
    """Stages and nothing else."""

    def no_port() -> Link:
        raise AssertionError("not used")

    return flash(
        board,  # type: ignore[arg-type]
        Plan(stage=STAGE, reset=False),
        layout=layout(),
        ports=Ports(modem=no_port, console=None),
        told=Told(step=lambda text: None, line=lambda text: None),
    )


def test_the_version_that_runs_stays() -> None:
    journal = factory_journal(INFO, path="E:/fw_1.ebin", page_size=4096)
    board = Board(journal)
    staged(board)
    assert set(board.modem.files) == {"E:/fw_1.ebin", "E:/fw_3.ebin"}


@pytest.mark.parametrize(
    "flash",
    [bytes(0x2000), b"\xff" * 0x2000, OtaError("no probe")],
    ids=["read_protected", "blank", "no_probe"],
)
def test_without_a_journal_nothing_is_deleted(flash: bytes | OtaError) -> None:
    board = Board(flash)
    with pytest.raises(ModemError, match="expected room for 40000 bytes"):
        staged(board)
    assert board.modem.files == FILES


def test_a_runner_that_cannot_read_deletes_nothing() -> None:
    board = Board(OtaError("not asked"))
    board.capabilities = frozenset()
    with pytest.raises(ModemError, match="expected room for 40000 bytes"):
        staged(board)
    assert board.modem.files == FILES
