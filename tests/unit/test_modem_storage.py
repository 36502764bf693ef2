# SPDX-License-Identifier: Apache-2.0
"""Files in the modem."""

from __future__ import annotations

import pytest
from nrfota.at import Client
from nrfota.errors import LinkError, ModemError
from nrfota.modem_storage import ModemStorage, Space, check_drive
from support.fake_modem import FakeModem


@pytest.fixture
def modem() -> FakeModem:
    return FakeModem(drives={"C": 1000, "E": 5000})


@pytest.fixture
def storage(modem: FakeModem) -> ModemStorage:
    client = Client(modem.link)
    client.sync()
    return ModemStorage(client)


def test_spaces_are_those_of_the_drives_there_are(storage: ModemStorage) -> None:
    assert storage.spaces() == [Space("C:", 1000), Space("E:", 5000)]


def test_files_come_with_their_sizes(modem: FakeModem, storage: ModemStorage) -> None:
    modem.files = {"E:/a.ebin": bytes(12), "E:/odd name": bytes(3), "C:/c": b"1"}
    assert storage.files("E:") == [("a.ebin", 12), ("odd name", None)]
    assert storage.files("C:") == [("c", 1)]


def test_an_empty_drive_has_no_files(storage: ModemStorage) -> None:
    assert storage.files("E:") == []


def test_delete_says_whether_there_was_something(
    modem: FakeModem, storage: ModemStorage
) -> None:
    modem.files = {"E:/a": b"1"}
    assert storage.delete("E:", "a")
    assert not storage.delete("E:", "a")
    assert modem.commands.count("AT+FSDEL=a") == 1


def test_a_drive_that_comes_late_is_waited_for(
    modem: FakeModem, storage: ModemStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    free, tries = dict(modem.free), 0
    real = modem._line

    def late(line: str) -> None:
        nonlocal tries
        tries += line == "AT+FSCD=E:/"
        modem.free = free if tries > 3 else {}
        real(line)

    modem.drive = "E"
    monkeypatch.setattr(modem, "_line", late)
    storage.wait_for("E:")
    assert tries == 4


def test_a_drive_that_never_comes_is_told(storage: ModemStorage) -> None:
    with pytest.raises(
        ModemError,
        match=r"expected drive F: in the modem, got ERROR to AT\+FSCD=F:/ for 10 s",
    ):
        storage.wait_for("F:")


def test_reading_past_the_end_is_not_believed(
    modem: FakeModem, storage: ModemStorage
) -> None:
    modem.files = {"E:/a": b"1234"}
    with pytest.raises(
        LinkError, match="expected 10 bytes of E:/a from offset 0, got 4"
    ):
        list(storage.read("E:/a", 10))


@pytest.mark.parametrize("text", ["e", "E:", "E:/", "e:/"])
def test_drives_are_written_in_many_ways(text: str) -> None:
    assert check_drive(text) == "E:"
