# SPDX-License-Identifier: Apache-2.0
"""The pyOCD runner, with pyOCD's session replaced by one that records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from nrfota.errors import LinkError, NoDeviceError, UsageError
from nrfota.runners import Erase, RunnerOptions
from nrfota.runners.pyocd import PyocdRunner
from pyocd.core import exceptions
from pyocd.core.helpers import ConnectHelper
from pyocd.core.target import Target
from pyocd.flash.file_programmer import FileProgrammer


class Probe:
    def __init__(self, unique_id: str) -> None:
        self.unique_id = unique_id


class FakeTarget:
    def __init__(self, calls: list[Any]) -> None:
        self.calls = calls
        self.memory: dict[int, bytes] = {}
        self.error: Exception | None = None

    def write_memory_block8(self, address: int, data: bytes) -> None:
        if self.error:
            raise self.error
        self.calls.append(("write", address, bytes(data)))
        self.memory[address] = bytes(data)

    def read_memory_block8(self, address: int, size: int) -> list[int]:
        self.calls.append(("read", address, size))
        return list(self.memory.get(address, bytes(size))[:size])

    def reset(self, kind: Target.ResetType) -> None:
        self.calls.append(("reset", kind))


class FakeSession:
    def __init__(self, calls: list[Any]) -> None:
        self.calls = calls
        self.target = FakeTarget(calls)

    def open(self) -> None:
        self.calls.append("open")

    def close(self) -> None:
        self.calls.append("close")


class Bench:
    """What is connected, and what was called."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.probes = [Probe("683")]
        self.session = FakeSession(self.calls)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench()

    def probes(*, blocking: bool, unique_id: str | None) -> list[Probe]:
        assert not blocking
        return [
            probe
            for probe in bench.probes
            if not unique_id or unique_id in probe.unique_id
        ]

    def session(**how: Any) -> FakeSession:
        bench.calls.append(("session", how["unique_id"], how["options"]))
        return bench.session

    def programmer(self: Any, session: Any, **how: Any) -> None:
        assert session is bench.session
        bench.calls.append(("programmer", how))

    def program(self: Any, path: str, **how: Any) -> None:
        bench.calls.append(("program", path, how))

    monkeypatch.setattr(ConnectHelper, "get_all_connected_probes", probes)
    monkeypatch.setattr(ConnectHelper, "session_with_chosen_probe", session)
    monkeypatch.setattr(FileProgrammer, "__init__", programmer)
    monkeypatch.setattr(FileProgrammer, "program", program)
    return bench


OPENED = [
    (
        "session",
        None,
        {
            "target_override": "nrf52840",
            "connect_mode": "attach",
            "resume_on_disconnect": True,
        },
    ),
    "open",
]


@pytest.mark.parametrize(
    ("erase", "how"), [(Erase.TOUCHED, "sector"), (Erase.CHIP, "chip")]
)
def test_provision_programs_the_hex_file(bench: Bench, erase: Erase, how: str) -> None:
    PyocdRunner(RunnerOptions()).provision(Path("f.hex"), erase=erase)
    assert bench.calls == [
        *OPENED,
        ("programmer", {"chip_erase": how, "keep_unwritten": False}),
        ("program", "f.hex", {"file_format": "hex"}),
    ]


def test_ram_is_written_and_read_back_and_the_chip_reset(bench: Bench) -> None:
    board = PyocdRunner(RunnerOptions())
    board.write_ram(0x2003FC00, b"OTAR")
    board.reset()
    board.close()
    board.close()
    assert bench.calls == [
        *OPENED,
        ("write", 0x2003FC00, b"OTAR"),
        ("read", 0x2003FC00, 4),
        ("reset", Target.ResetType.SYSRESETREQ),
        "close",
    ]


def test_flash_is_read(bench: Bench) -> None:
    bench.session.target.memory[0xFF8] = b"12345678"
    assert PyocdRunner(RunnerOptions()).read_flash(0xFF8, 8) == b"12345678"


def test_ram_that_does_not_take_it_is_told(bench: Bench) -> None:
    bench.session.target.read_memory_block8 = lambda address, size: [0] * size  # type: ignore[method-assign]
    with pytest.raises(LinkError, match="RAM at 0x20000000 did not take"):
        PyocdRunner(RunnerOptions()).write_ram(0x20000000, b"1234")


def test_no_probe_is_one_sentence(bench: Bench) -> None:
    bench.probes = []
    with pytest.raises(NoDeviceError, match=r"^expected a debug probe, found none$"):
        PyocdRunner(RunnerOptions()).check()


def test_the_probe_that_is_asked_for_must_be_there(bench: Bench) -> None:
    with pytest.raises(NoDeviceError, match="probe with '9' in its id, found none"):
        PyocdRunner(RunnerOptions(dev_id="9")).check()


def test_two_probes_need_a_choice(bench: Bench) -> None:
    bench.probes = [Probe("683"), Probe("684")]
    with pytest.raises(UsageError, match=r"one debug probe \(-i ID\), found 683, 684"):
        PyocdRunner(RunnerOptions()).check()
    PyocdRunner(RunnerOptions(dev_id="684")).check()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (exceptions.ProbeError("unplugged"), NoDeviceError),
        (exceptions.TransferFaultError(0x20000000), LinkError),
    ],
)
def test_pyocds_errors_become_ours(
    bench: Bench, error: Exception, kind: type[Exception]
) -> None:
    bench.session.target.error = error
    with pytest.raises(kind, match="pyocd, writing RAM at 0x20000000: "):
        PyocdRunner(RunnerOptions()).write_ram(0x20000000, b"1234")


def test_a_dry_run_opens_nothing(bench: Bench) -> None:
    notes: list[str] = []
    board = PyocdRunner(RunnerOptions(dry_run=True, on_note=notes.append))
    board.provision(Path("f.hex"), erase=Erase.TOUCHED)
    board.write_ram(0x2003FC00, b"\x11\x22\x33\x44")
    board.reset()
    board.close()
    assert bench.calls == []
    assert notes == [
        "pyocd: FileProgrammer(chip_erase='sector').program('f.hex')",
        "pyocd: write_memory_block8(0x2003fc00, 4 bytes)",
        "pyocd: target.reset(ResetType.SYSRESETREQ)",
    ]


def test_without_any_probe_pyocd_itself_finds_none() -> None:
    """Not replaced: the real probe search of the installed pyOCD."""
    probes = ConnectHelper.get_all_connected_probes(blocking=False, unique_id="no-such")
    assert probes == []
