# SPDX-License-Identifier: Apache-2.0
"""File system commands and the folder behind them."""

from __future__ import annotations

import os

import pytest
from modem_rig import Host
from vboard.modem import FaultPlan, ModemProfile, Storage
from vboard.modem.faults import NoDrive
from vboard.modem.storage import StorageError, valid_name

OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"


@pytest.fixture
def host(tmp_path):
    host = Host(tmp_path)
    (host.drive / "fw.ebin").write_bytes(bytes(100))
    (host.drive / "sub").mkdir()
    os.utime(host.drive / "fw.ebin", (1_209_378_286, 1_209_378_286))
    assert host.at("AT+FSCD=E:/") == b"\r\n+FSCD: E:/\r\n" + OK
    return host


@pytest.mark.parametrize(
    "command, reply",
    [
        ("AT+FSCD=E:", "+FSCD: E:/"),
        ("AT+FSCD=e:/", "+FSCD: E:/"),
        ("AT+FSCD=sub", "+FSCD: E:/sub/"),
        ("AT+FSCD=E:/sub", "+FSCD: E:/sub/"),
        ("AT+FSCD=E:/sub/..", "+FSCD: E:/"),
        ("AT+FSCD?", "+FSCD: E:/"),
        ("AT+FSLS?", "+FSLS: SUBDIRECTORIES:1,FILES:1"),
        ("AT+FSATTRI=fw.ebin", "+FSATTRI: 100, 2008/04/28 10:24:46 Mon"),
        ('AT+FSATTRI="fw.ebin"', "+FSATTRI: 100, 2008/04/28 10:24:46 Mon"),
        ("AT+FSMEM", "+FSMEM: E:(67108864, 100)"),
        ("AT+FSLOCA?", "+FSLOCA: 0"),
        ("AT+FSLOCA=0", ""),
        ("AT+FSMKDIR=new", ""),
        ("AT+FSRMDIR=sub", ""),
        ("AT+FSDEL=fw.ebin", ""),
        ('AT+FSDEL="fw.ebin"', ""),
        ("AT+FSRENAME=fw.ebin,b.bin", ""),
        ("AT+FSRENAME=fw.ebin, b.bin", ""),
    ],
)
def test_reply(host, command, reply):
    expected = f"\r\n{reply}\r\n".encode() if reply else b""
    assert host.at(command) == expected + OK


@pytest.mark.parametrize(
    "command",
    [
        "AT+FSCD=D:/",
        "AT+FSCD=Z:/",
        "AT+FSCD=1:/",
        "AT+FSCD=E:/none",
        "AT+FSCD=E:/fw.ebin",
        "AT+FSCD=..",
        "AT+FSCD=E:/../..",
        "AT+FSCD=E:sub",
        "AT+FSCD",
        "AT+FSMKDIR=sub",
        "AT+FSMKDIR=a/b",
        "AT+FSMKDIR=.hidden",
        "AT+FSMKDIR=dot.",
        "AT+FSMKDIR=..",
        "AT+FSRMDIR=none",
        "AT+FSRMDIR=fw.ebin",
        "AT+FSDEL=none",
        "AT+FSDEL=sub",
        "AT+FSDEL=E:/fw.ebin",
        "AT+FSDEL=../C/x",
        "AT+FSDEL=",
        "AT+FSRENAME=none,b",
        "AT+FSRENAME=fw.ebin,a*b",
        "AT+FSRENAME=fw.ebin",
        "AT+FSATTRI=none",
        "AT+FSATTRI=sub",
        "AT+FSATTRI",
        "AT+FSLS=3",
        "AT+FSMEM=1",
        "AT+FSLOCA=1",
        "AT+FSCOPY=fw.ebin",
        "AT+FSCOPY=fw.ebin,C:/fw.ebin",
    ],
)
def test_refused_with_error(host, command):
    assert host.at(command) == ERROR


@pytest.mark.parametrize(
    "what, expected",
    [
        (
            "",
            b"\r\n+FSLS: SUBDIRECTORIES:\r\nsub\r\n"
            b"\r\n+FSLS: FILES:\r\nfw.ebin\r\n\r\n",
        ),
        (
            "=0",
            b"\r\n+FSLS: SUBDIRECTORIES:\r\nsub\r\n"
            b"\r\n+FSLS: FILES:\r\nfw.ebin\r\n\r\n",
        ),
        ("=1", b"\r\n+FSLS: SUBDIRECTORIES:\r\nsub\r\n\r\n"),
        ("=2", b"\r\n+FSLS: FILES:\r\nfw.ebin\r\n\r\n"),
    ],
    ids=["bare", "both", "folders", "files"],
)
def test_fsls_layout(host, what, expected):
    assert host.at(f"AT+FSLS{what}") == expected + OK


def test_an_empty_folder_lists_nothing(host):
    host.at("AT+FSCD=sub")
    assert host.at("AT+FSLS") == OK


def test_the_colon_of_fsls_is_a_knob(tmp_path):
    host = Host(tmp_path, profile=ModemProfile(fsls_colon=False))
    (tmp_path / "C" / "a").write_bytes(b"")
    assert b"+FSLS: FILES\r\n" in host.at("AT+FSLS")


def test_names_that_are_not_legal_are_not_listed(host):
    (host.drive / ".hidden").write_bytes(b"")
    (host.drive / "a,b").write_bytes(b"")
    (host.drive / "link").symlink_to("/etc/passwd")
    assert b"+FSLS: SUBDIRECTORIES:1,FILES:1" in host.at("AT+FSLS?")


def test_links_are_not_followed(host):
    (host.drive / "link").symlink_to("/etc/passwd")
    (host.drive / "out").symlink_to("/etc")
    assert host.at("AT+FSATTRI=link") == ERROR
    assert host.at("AT+FSCD=out") == ERROR
    assert host.at('AT+CFTRANTX="E:/link"') == ERROR
    assert host.at('AT+CFTRANRX="E:/out/x",1') == ERROR


def test_delete_all_files_keeps_folders(host):
    (host.drive / "b").write_bytes(b"")
    assert host.at("AT+FSDEL=*.*") == OK
    assert os.listdir(host.drive) == ["sub"]


def test_a_folder_that_holds_files_stays(host):
    (host.drive / "sub" / "a").write_bytes(b"")
    assert host.at("AT+FSRMDIR=sub") == ERROR


def test_rename_to_an_existing_name_is_an_error(host):
    (host.drive / "b").write_bytes(b"")
    assert host.at("AT+FSRENAME=fw.ebin,b") == ERROR


def test_copy_tells_its_progress(host):
    got = host.at("AT+FSCOPY=fw.ebin,b.bin")
    assert got.startswith(b"\r\n+FSCOPY: 1.0\r\n")
    assert got.endswith(b"\r\n+FSCOPY: 100.0\r\n" + OK)
    assert (host.drive / "b.bin").read_bytes() == bytes(100)


def test_copy_in_the_background_says_ok_first(host):
    assert host.at("AT+FSCOPY=fw.ebin,b.bin,1") == OK
    assert host.run(1_000).endswith(b"\r\n+FSCOPY: 100.0\r\n\r\n+FSCOPY: END\r\n")
    assert host.at("AT") == OK


@pytest.mark.parametrize(
    "names, text",
    [
        ("none,b", "FILE NOT EXISTING"),
        ("fw.ebin,fw.ebin", "FILE IS EXISTING"),
        ("big,b", "EFS HAVE NO ENOUGH MEMORY"),
        ("D:/a,D:/b", "SD CARD NOT PLUGGED IN"),
    ],
)
def test_copy_says_why_it_fails(tmp_path, names, text):
    host = Host(tmp_path, profile=ModemProfile(size_E=1000))
    host.at("AT+FSCD=E:/")
    (host.drive / "fw.ebin").write_bytes(bytes(10))
    (host.drive / "big").write_bytes(bytes(600))
    assert host.at(f"AT+FSCOPY={names}") == f"\r\n{text}\r\n".encode() + ERROR


@pytest.mark.parametrize(
    "drive, there", [("C", True), ("D", True), ("E", False), ("F", True)]
)
def test_drives_are_knobs(tmp_path, drive, there):
    host = Host(tmp_path, profile=ModemProfile(has_E=False, has_D=True))
    assert (host.at(f"AT+FSCD={drive}:/") != ERROR) is there
    assert (tmp_path / drive).is_dir() is there


def test_a_drive_may_vanish_by_a_fault(tmp_path):
    plan = FaultPlan()
    gone = plan.add(NoDrive(drive="E", nth=2, times=1))
    host = Host(tmp_path, faults=plan)
    assert host.at("AT+FSCD=E:/") != ERROR
    assert host.at("AT+FSCD=E:/") == ERROR
    assert host.at("AT+FSCD=E:/") != ERROR
    assert gone.fired == 1


@pytest.mark.parametrize("name", ["a", "fw.ebin", "_x-y z", "A" * 100, "é"])
def test_valid_names(name):
    assert valid_name(name)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", ".a", "a.", "-a", "a/b", *(f"a{c}b" for c in '\\:*?"<>|,;\n\0')],
)
def test_invalid_names(name):
    assert not valid_name(name)


def test_a_path_is_at_most_254_characters(host):
    assert host.at("AT+FSMKDIR=" + "a" * 251) == OK
    assert host.at("AT+FSMKDIR=" + "b" * 252) == ERROR


@pytest.mark.parametrize(
    "call, reason",
    [
        (lambda s: s.size("E:/none"), "no file E:/none"),
        (lambda s: s.host("Q:/a"), "no drive Q:"),
        (lambda s: s.normal("E:/.a"), "not a name: '.a'"),
        (lambda s: s.normal("E:/../a"), "above the root"),
        (lambda s: s.normal("a"), "not a path: 'a'"),
        (lambda s: s.list("E:/none"), "no folder E:/none"),
        (lambda s: s.make_dir("E:/a/b"), "cannot make E:/a/b"),
        (lambda s: s.remove_dir("E:/"), "cannot remove E:/"),
        (lambda s: s.write("E:/a/b", b"", seconds=0), "cannot write E:/a/b"),
        (lambda s: s.certificate("../x"), "not a name: '../x'"),
    ],
)
def test_storage_says_what_is_wrong(tmp_path, call, reason):
    storage = Storage(tmp_path)
    storage.make_drives("E")
    with pytest.raises(StorageError) as error:
        call(storage)
    assert str(error.value) == error.value.reason == reason


def test_settings_that_are_not_json_are_no_settings(tmp_path):
    storage = Storage(tmp_path)
    (tmp_path / "settings.json").write_text("{")
    assert storage.load_settings() == {}
    (tmp_path / "settings.json").write_text("[]")
    assert storage.load_settings() == {}
    storage.save_settings({"echo": 0})
    assert storage.load_settings() == {"echo": 0}
