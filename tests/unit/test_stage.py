# SPDX-License-Identifier: Apache-2.0
"""Staging into a modem that is as odd as the real ones, in simulated time."""

from __future__ import annotations

import hashlib
import random

import pytest
from nrfota.errors import LinkError, ModemError, UsageError, VerifyError
from nrfota.stage import (
    BAUDS,
    FIFO_RATE,
    GAPS_S,
    Progress,
    Staged,
    StageOptions,
    flow_control_pace,
    paced,
    stage,
)
from support.fake_modem import FakeModem

DATA = random.Random(7).randbytes(40_000)


class Run:
    """Stages `DATA` and keeps what was said."""

    def __init__(self, modem: FakeModem) -> None:
        self.modem = modem
        self.notes: list[str] = []
        self.progress: list[Progress] = []

    def __call__(self, data: bytes = DATA, name: str = "fw.ebin", **how) -> Staged:  # type: ignore[no-untyped-def]
        options = StageOptions(
            on_note=self.notes.append, on_progress=self.progress.append, **how
        )
        return stage(data, self.modem.link, name=name, options=options)

    def said(self, text: str) -> bool:
        return any(text in note for note in self.notes)


@pytest.fixture
def modem() -> FakeModem:
    return FakeModem()


@pytest.fixture
def run(modem: FakeModem) -> Run:
    return Run(modem)


def test_a_file_gets_there_and_is_read_back(run: Run, modem: FakeModem) -> None:
    staged = run()
    assert modem.files == {"E:/fw.ebin": DATA}
    assert staged.path == "E:/fw.ebin"
    assert staged.size == len(DATA)
    assert staged.sha256 == hashlib.sha256(DATA).digest()
    assert (staged.attempts, staged.restarts, staged.lost_bytes) == (1, 0, 0)
    assert run.said("drive E: (E: has 30000000 bytes free)")


@pytest.mark.parametrize("chunk", [1, 2, 3, 7])
def test_it_does_not_matter_how_bytes_arrive(
    run: Run, modem: FakeModem, chunk: int
) -> None:
    modem.link.chunk = chunk
    run(DATA[:3000])
    assert modem.files["E:/fw.ebin"] == DATA[:3000]


@pytest.mark.parametrize("header", ["DATA,%d", "DATA, %d", "DATA,%03d"])
def test_every_header_form_reads_back(run: Run, modem: FakeModem, header: str) -> None:
    modem.header = header
    assert run(DATA[:1035]).attempts == 1


def test_an_extra_ok_before_the_data_is_harmless(run: Run, modem: FakeModem) -> None:
    modem.ok_first = True
    assert run().attempts == 1


def test_urcs_everywhere_are_harmless(run: Run, modem: FakeModem) -> None:
    modem.urc_between = b"\r\n+CREG: 1,5\r\n\r\nNO CARRIER\r\n"
    assert run().attempts == 1


# Pacing


def test_the_default_is_256_bytes_and_50_ms(run: Run, modem: FakeModem) -> None:
    staged = run()
    blocks = -(-len(DATA) // 256)
    allowed = blocks * (2560 / 115200 + 0.05)
    assert staged.upload_s == pytest.approx(allowed, rel=0.03)


def test_flow_control_sends_at_wire_speed(run: Run, modem: FakeModem) -> None:
    staged = run(flow_control=True)
    assert staged.upload_s == pytest.approx(len(DATA) * 10 / 115200, rel=0.03)
    assert "AT+IFC=2,2" in modem.commands
    assert modem.commands[-1] == "AT+IFC=0,0"
    assert not modem.link.flow_control


def test_a_higher_baud_is_used_and_given_back(run: Run, modem: FakeModem) -> None:
    staged = run(flow_control=True, baud=460800)
    assert staged.upload_s == pytest.approx(len(DATA) * 10 / 460800, rel=0.05)
    assert (modem.baud, modem.link.baud) == (115200, 115200)


@pytest.mark.parametrize("baud", BAUDS)
@pytest.mark.parametrize("name", GAPS_S)
def test_blocks_never_outrun_the_fifo(name: str, baud: int) -> None:
    """On a fast line the gap grows; on a slow one it is the profile's."""
    pace = paced(name, baud=baud)
    wire_s = pace.chunk * 10 / baud
    assert pace.chunk / (wire_s + pace.gap_s) <= FIFO_RATE + 1e-6
    assert pace.gap_s >= GAPS_S[name][0]
    if baud <= 115200 or name == "safe":
        assert pace.gap_s == GAPS_S[name][0]


def test_every_attempt_is_slower_than_the_one_that_failed() -> None:
    for baud in BAUDS:
        gaps = [paced("fast", baud=baud, slower=n).gap_s for n in range(4)]
        assert gaps[0] < gaps[1] < gaps[2] == gaps[3]


@pytest.mark.parametrize("baud", [9600, 115200, 921600, 3000000])
def test_pieces_with_rts_cts_grow_with_the_baud_rate(baud: int) -> None:
    pace = flow_control_pace(baud)
    assert pace.gap_s == 0
    assert pace.chunk == 4096 * max(1, baud // 115200)


def test_fast_pace_falls_back_when_bytes_are_lost(run: Run, modem: FakeModem) -> None:
    modem.lose_when_gap_below = 0.045
    staged = run(pace="fast")
    assert modem.files["E:/fw.ebin"] == DATA
    assert (staged.attempts, staged.lost_bytes) == (2, 5)
    assert run.said("the modem to take 40000 bytes, it lost 5")
    assert run.said("gap of 50 ms")


def test_fast_pace_falls_back_twice(run: Run, modem: FakeModem) -> None:
    modem.lose_when_gap_below = 0.09
    assert run(pace="fast").attempts == 3
    assert run.said("gap of 100 ms")


def test_flow_control_without_wires_falls_back_to_pacing(
    run: Run, modem: FakeModem
) -> None:
    modem.lose_when_gap_below = 0.045
    assert run(flow_control=True).attempts == 2
    assert run.said("flow control does not hold: pacing instead")
    assert modem.commands.count("AT+IFC=0,0") == 2


def test_lost_bytes_are_counted(run: Run, modem: FakeModem) -> None:
    modem.lose = [3]
    assert run().lost_bytes == 3


# Drives


def test_without_e_the_next_drive_is_taken(run: Run, modem: FakeModem) -> None:
    del modem.free["E"]
    assert run().path == "F:/fw.ebin"
    assert run.said("drive F: (E: is not in this modem; F: has 8000000 bytes free)")


def test_a_full_drive_is_passed_over(run: Run, modem: FakeModem) -> None:
    modem.free = {"C": 1_000_000, "E": 100, "F": 39_999}
    assert run().path == "C:/fw.ebin"
    assert run.said("E: has only 100 bytes free; F: has only 39999 bytes free")


def test_no_room_anywhere_is_told_with_all_drives(run: Run, modem: FakeModem) -> None:
    modem.free = {"C": 10, "E": 20}
    with pytest.raises(
        ModemError,
        match="expected room for 40000 bytes in the modem: F: is not in this modem; "
        "E: has only 20 bytes free; C: has only 10 bytes free",
    ):
        run()


UPDATES = {
    "E:/fw_1.ebin": bytes(30_000),
    "E:/fw_2.ebin": bytes(30_000),
    "E:/fw_3.ebin": bytes(30_000),
    "E:/notes.txt": bytes(30_000),
}


def test_parts_of_an_unfinished_download_are_deleted(
    run: Run, modem: FakeModem
) -> None:
    # Behind a file of exactly one part the device would take them for its rest.
    modem.files = {"E:/fw.ebi1": b"1", "E:/fw.ebin": b"old", "E:/fw_2.ebi1": b"2"}
    run(name="fw.ebin")
    assert set(modem.files) == {"E:/fw.ebin", "E:/fw_2.ebi1"}
    assert run.said("deleted fw.ebi1 of an unfinished download")


@pytest.mark.parametrize("drive", ["auto", "E:"])
def test_updates_that_nobody_needs_make_room(
    run: Run, modem: FakeModem, drive: str
) -> None:
    modem.free = {"E": 130_000}
    modem.files |= UPDATES
    keep = frozenset({"E:/fw_2.ebin"})
    run(drive=drive, keep=lambda: keep)
    left = {"E:/fw.ebin", "E:/fw_2.ebin", "E:/fw_3.ebin", "E:/notes.txt"}
    assert set(modem.files) == left
    assert run.said("no room: deleted fw_1.ebin from E:")


@pytest.mark.parametrize("keep", [None, frozenset({"E:/fw_1.ebin", "E:/fw_2.ebin"})])
def test_nothing_is_deleted_when_it_is_no_help(
    run: Run, modem: FakeModem, keep: frozenset[str] | None
) -> None:
    modem.free = {"E": 129_000 if keep is None else 121_000}
    modem.files |= UPDATES
    data = DATA if keep is None else DATA + bytes(1)
    if keep is not None:
        keep |= {"E:/fw_3.ebin"}
    with pytest.raises(ModemError, match="expected room for"):
        run(data, keep=lambda: keep)
    assert modem.files == UPDATES


def test_a_drive_can_be_forced(run: Run, modem: FakeModem) -> None:
    assert run(drive="c").path == "C:/fw.ebin"


def test_a_forced_drive_that_is_missing_is_an_error(run: Run) -> None:
    with pytest.raises(ModemError, match=r"expected drive D: in the modem, got ERROR"):
        run(drive="D:")


def test_a_forced_drive_that_is_full_is_an_error(run: Run, modem: FakeModem) -> None:
    modem.free["F"] = 7
    with pytest.raises(
        ModemError, match="expected room for 40000 bytes on F:, got 7 bytes free"
    ):
        run(drive="F:")


def test_an_older_file_is_deleted_and_its_room_counts(
    run: Run, modem: FakeModem
) -> None:
    modem.free = {"E": 41_000}
    modem.files["E:/fw.ebin"] = b"old" * 3000
    run()
    assert modem.files == {"E:/fw.ebin": DATA}
    assert modem.commands.index("AT+FSATTRI=fw.ebin") < modem.commands.index(
        "AT+FSDEL=fw.ebin"
    )
    assert run.said("deleted the older E:/fw.ebin")


def test_a_missing_file_is_never_deleted(run: Run, modem: FakeModem) -> None:
    run()
    assert not any(line.startswith("AT+FSDEL") for line in modem.commands)


# Trouble


def test_a_modem_at_another_baud_is_found(run: Run, modem: FakeModem) -> None:
    modem.baud = 460800
    assert run().attempts == 1
    assert run.said("modem answers at 460800 baud")
    assert modem.link.baud == 460800


def test_no_modem_is_one_sentence(run: Run, modem: FakeModem) -> None:
    modem.dead_until = 1e9
    with pytest.raises(
        LinkError,
        match=r"expected a modem on fake, got no OK to AT at 115200, .* within 30 s",
    ):
        run()


@pytest.mark.parametrize("times", [1, 2])
def test_a_restart_in_mid_upload_starts_again(
    run: Run, modem: FakeModem, times: int
) -> None:
    modem.restart_after = [20_000] * times
    staged = run()
    assert modem.files == {"E:/fw.ebin": DATA}
    assert staged.restarts == times
    assert run.said("the modem restarted during AT+CFTRANRX")
    assert run.said("deleted the older E:/fw.ebin")


def test_a_restart_at_a_higher_baud_is_survived(run: Run, modem: FakeModem) -> None:
    modem.restart_after = [20_000]
    run(baud=921600)
    assert modem.files == {"E:/fw.ebin": DATA}


def test_a_modem_that_always_restarts_is_given_up(run: Run, modem: FakeModem) -> None:
    modem.restart_after = [20_000] * 50
    with pytest.raises(ModemError, match="the modem restarted during AT"):
        run()
    assert modem.files == {}


def test_one_wrong_read_is_read_again(run: Run, modem: FakeModem) -> None:
    modem.flip_reads = 1
    assert run().attempts == 1
    assert run.said("read back differs; reading it once more")


def test_a_file_that_reads_back_wrong_is_sent_again_and_then_given_up(
    run: Run, modem: FakeModem
) -> None:
    modem.flip_reads = 1_000_000
    with pytest.raises(VerifyError, match=r"expected SHA-256 \w{64} of E:/fw.ebin"):
        run()
    assert modem.files == {}


def test_a_read_that_is_not_answered_is_asked_again_in_smaller_pieces(
    run: Run, modem: FakeModem
) -> None:
    modem.silent_reads = 2
    assert run().attempts == 1
    assert 'AT+CFTRANTX="E:/fw.ebin",0,16384' in modem.commands
    assert 'AT+CFTRANTX="E:/fw.ebin",0,1024' in modem.commands


def test_a_wrong_size_is_not_believed(
    run: Run, modem: FakeModem, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = modem._file

    def clipped(name: str, value: str) -> None:
        path = f"{modem.drive}:/{value}"
        if name == "AT+FSATTRI" and path in modem.files:
            modem._final("OK", "+FSATTRI: 39999")
        else:
            real(name, value)

    monkeypatch.setattr(modem, "_file", clipped)
    with pytest.raises(
        VerifyError, match=r"expected 40000 bytes in E:/fw.ebin, got 39"
    ):
        run()


# Progress and arguments


def test_progress_tells_rate_and_time_left(run: Run) -> None:
    run()
    phases = [step.phase for step in run.progress]
    assert phases == sorted(phases)  # upload, then verify
    middle = run.progress[20]
    assert middle.total == len(DATA)
    assert middle.rate == pytest.approx(256 / (0.0222 + 0.05), rel=0.1)
    assert middle.left_s == pytest.approx(
        (middle.total - middle.done) / middle.rate, rel=0.01
    )
    assert run.progress[-1].done == len(DATA)
    assert Progress("upload", 0, 10, 0.0).left_s is None


@pytest.mark.parametrize(
    "name", ["", "a b", "../x", ".x", "a.", "ä", "a,b", "x" * 61, 'a"']
)
def test_names_that_the_modem_cannot_take_are_refused(run: Run, name: str) -> None:
    with pytest.raises(UsageError, match="expected a file name of at most 60"):
        run(name=name)


def test_an_empty_file_is_refused(run: Run) -> None:
    with pytest.raises(UsageError, match="expected a file with content"):
        run(b"")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"drive": "X:"}, "expected a drive from C:, D:, E:, F:, got 'X:'"),
        ({"pace": "warp"}, "expected a pace from safe, fast, got 'warp'"),
        ({"baud": 1000000}, "expected a baud rate from 9600, .*, got 1000000"),
    ],
    ids=["drive", "pace", "baud"],
)
def test_options_that_cannot_be_are_refused(
    how: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        StageOptions(**how)  # type: ignore[arg-type]
