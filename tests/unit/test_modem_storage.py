# SPDX-License-Identifier: Apache-2.0
"""Files in the modem."""

from __future__ import annotations

import pytest
from nrfota.at import Client
from nrfota.errors import LinkError, ModemError
from nrfota.modem_storage import ModemStorage, Space, check_drive, is_part
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


def test_the_parts_of_an_update_go_together(
    modem: FakeModem, storage: ModemStorage
) -> None:
    part = bytes(1000)
    kept = {"E:/fw_2.ebin": part, "E:/fw_2.ebi1": part}
    modem.files = {
        **kept,
        "E:/fw_1.ebin": part,
        "E:/fw_1.ebi1": part,
        "E:/fw_1.ebif": part,
        "E:/fw_3.ebi2": part,  # without a first one
        "E:/fw_4.ebi0": part,  # not a part
    }
    modem.free["E"] = 7000
    deleted = storage.make_room(
        "E:", 1500, name="fw_9.ebin", keep=frozenset({"E:/fw_2.ebin"})
    )
    assert deleted == ["fw_1.ebi1", "fw_1.ebif", "fw_1.ebin"]
    deleted = storage.make_room(
        "E:", 4000, name="fw_9.ebin", keep=frozenset({"E:/fw_2.ebin"})
    )
    assert deleted == ["fw_3.ebi2"]
    assert set(modem.files) == {*kept, "E:/fw_4.ebi0"}


def test_old_parts_of_the_same_name_count_as_free(
    modem: FakeModem, storage: ModemStorage
) -> None:
    modem.files = {"E:/fw_9.ebi1": bytes(3000), "E:/fw_1.ebin": bytes(2000)}
    modem.free["E"] = 5000
    assert storage.make_room("E:", 3000, name="fw_9.ebin", keep=frozenset()) == []


@pytest.mark.parametrize(
    ("file", "name", "expected"),
    [
        ("fw_2.ebi1", "fw_2.ebin", True),
        ("fw_2.ebif", "fw_2.ebin", True),
        ("fw_2.ebin", "fw_2.ebin", False),
        ("fw_2.ebi0", "fw_2.ebin", False),
        ("fw_2.ebig", "fw_2.ebin", False),
        ("fw_3.ebi1", "fw_2.ebin", False),
        ("fw_2.ebi2", "fw_2.ebi1", False),
        ("", "", False),
    ],
)
def test_what_is_a_part(file: str, name: str, expected: bool) -> None:
    assert is_part(file, name) == expected


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
