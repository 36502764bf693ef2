# SPDX-License-Identifier: Apache-2.0
"""Keys are never among a tool's arguments, nor in what is shown."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from nrfota import cli
from nrfota.ebin import seal
from nrfota.hexfile import read_hex, write_hex
from nrfota.journal import Step, Version, factory_journal, read_journal
from nrfota.ota_json import OtaJson
from nrfota.segment import Segment
from support.recorder import Recorder

KEY = bytes.fromhex("9a7bc3d1e5f60817f1e2d3c4b5a69788")
IV = bytes.fromhex("4b5c6d7e8f901a2bc4d3e2f1a0b9c8d7")
OLD_KEY = bytes.fromhex("1f2e3d4c5b6a79880718f6e5d1c37b9a")
JOURNAL = 0xFC000
UPDATE, CIPHER = seal(b"new!" * 99, version=2, fp_base=0x1000, key=KEY, iv=IV)
OLD, _ = seal(b"old!" * 99, version=1, fp_base=0x1000, key=OLD_KEY, iv=IV)
FLASH = factory_journal(OLD, path="E:/fw_1.ebin", page_size=4096)


def spellings(secret: bytes) -> Iterator[str]:
    """Ways in which somebody could write `secret`, whole or word by word."""
    yield secret.hex()
    yield secret.hex(" ")
    yield secret.hex(":")
    yield base64.b64encode(secret).decode()[:-3]
    yield secret.decode("latin-1")
    yield ", ".join(map(str, secret))
    for order in "<>":
        for (word,) in struct.iter_unpack(f"{order}I", secret):
            yield f"{word:08x}"
            yield str(word)


def shown(texts: list[str]) -> list[str]:
    """Spellings of a key or IV that are in one of the texts."""
    return [
        spelling
        for secret in (KEY, IV, OLD_KEY)
        for spelling in spellings(secret)
        for text in texts
        if spelling.lower() in text.lower()
    ]


def memrd() -> str:
    """The journal as `nrfjprog --memrd` prints it."""
    words = [f"{word:08X}" for (word,) in struct.iter_unpack("<I", FLASH)]
    return "\n".join(
        f"0x{JOURNAL + 4 * at:08X}: {' '.join(words[at : at + 4])}   |................|"
        for at in range(0, len(words), 4)
    )


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """A folder with the update, and tools that have the journal to read."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ota.ebin").write_bytes(UPDATE.public().pack() + CIPHER)
    json = OtaJson("http://h/x", "", UPDATE).pack()
    (tmp_path / "ota.json").write_bytes(json)
    text = write_hex([Segment(JOURNAL, FLASH, "x")])
    recorder = Recorder(tmp_path / "bin", monkeypatch)
    recorder.add("nrfjprog", says=memrd())
    recorder.add("nrfutil", writes={"--to-file": text.encode()})
    recorder.add("openocd", writes={"dump_image": FLASH})
    return recorder


def arm(runner: str) -> int:
    arguments = ["--arm", "--modem-path", "E:/fw_2.ebin", "--ebin", "ota.ebin"]
    return cli.main(["flash", "-r", runner, "--verbose", *arguments])


def test_the_search_finds_every_spelling() -> None:
    assert len(shown([KEY.hex().upper()])) > 1
    assert shown([f"--val 0x{int.from_bytes(IV[4:8], 'little'):08X}"]) != []
    assert shown(["nrfjprog --reset"]) == []


@pytest.mark.parametrize("runner", ["nrfjprog", "nrfutil", "openocd"])
def test_no_argument_holds_a_key(
    runner: str, recorder: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert arm(runner) == 0
    assert len(recorder.calls) >= 2
    assert shown([argument for call in recorder.calls for argument in call]) == []
    said = capsys.readouterr()
    assert shown([said.out, said.err]) == []


@pytest.mark.parametrize("runner", ["nrfjprog", "nrfutil", "openocd", "nrfutil-dfu"])
def test_no_argument_holds_a_key_when_a_journal_with_one_is_provisioned(
    runner: str, recorder: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = [Segment(0x1000, b"old!" * 99, "x"), Segment(0xF6000, b"boot", "x")]
    parts.append(Segment(JOURNAL, FLASH, "x"))
    Path("factory.hex").write_text(write_hex(parts))
    arguments = ["--provision", "--hex-file", "factory.hex", "--dfu-port", "/dev/x"]
    assert cli.main(["flash", "-r", runner, "--verbose", *arguments]) == 0
    assert len(recorder.calls) >= 1
    assert shown([argument for call in recorder.calls for argument in call]) == []
    said = capsys.readouterr()
    assert shown([said.out, said.err]) == []


@pytest.mark.parametrize("runner", ["nrfjprog", "nrfutil"])
def test_the_journal_goes_through_a_file_for_us_alone(
    runner: str, recorder: Recorder
) -> None:
    assert arm(runner) == 0
    (written,) = [files["journal.hex"] for files in recorder.files if files]
    assert recorder.modes == {"journal.hex": 0o600}
    flash = bytearray(FLASH)
    for segment in read_hex(written.encode(), source="x"):
        at = segment.address - JOURNAL
        flash[at : at + len(segment.data)] = segment.data
    state = read_journal(bytes(flash), page_size=4096).state
    assert state.pending == Version(UPDATE, "E:/fw_2.ebin")
    assert state.current == Version(OLD, "E:/fw_1.ebin")
    assert state.step == Step.CHECK


@pytest.mark.parametrize("runner", ["nrfjprog", "nrfutil"])
def test_arming_reads_programs_touched_sectors_and_resets(
    runner: str, recorder: Recorder
) -> None:
    assert arm(runner) == 0
    calls = [" ".join(call) for call in recorder.calls]
    kinds = {
        "nrfjprog": ["--memrd 0x000FC000 --n 8192", "--sectorerase", "--reset"],
        "nrfutil": [
            "device --version",
            "device read --address 0x000FC000 --bytes 8192",
            "ERASE_RANGES_TOUCHED_BY_FIRMWARE",
            "device reset",
        ],
    }[runner]
    assert len(calls) == len(kinds)
    for call, kind in zip(calls, kinds, strict=True):
        assert kind in call


@pytest.mark.parametrize("runner", ["nrfjprog", "nrfutil", "openocd"])
def test_nothing_is_left_behind(
    runner: str, recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    assert arm(runner) == 0
    assert list(scratch.iterdir()) == []
