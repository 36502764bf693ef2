# SPDX-License-Identifier: Apache-2.0
"""The modem on a pseudo-terminal, used by pyserial as a foreign AT client."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
import serial
from modem_rig import is_final
from vboard.modem import cli


class Client:
    """A running `python -m vboard modem` and a serial port on it."""

    def __init__(self, folder, *options):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "vboard", "modem", "--storage", folder, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        line = self.process.stdout.readline()
        assert line.startswith("modem on /dev/"), self.process.stderr.read()
        self.path = line.split()[-1]
        self.port = serial.Serial(self.path, 115200, timeout=10, exclusive=True)

    def read_until(self, end):
        got = self.port.read_until(end)
        assert got.endswith(end), f"only got {got!r}"
        return got

    def at(self, command):
        self.port.write(command.encode() + b"\r")
        got = b""
        while not is_final(got):
            more = self.port.read(1)
            assert more, f"only got {got!r}"
            got += more
        return got

    def close(self):
        self.port.close()
        self.process.send_signal(signal.SIGTERM)
        return self.process.communicate(timeout=20)[1]


@pytest.fixture
def start(tmp_path):
    clients = []

    def make(*options):
        clients.append(Client(tmp_path, *options))
        return clients[-1]

    yield make
    for client in clients:
        if client.process.poll() is None:
            client.close()


def test_a_serial_client_gets_answers_with_echo(start):
    client = start()
    assert client.at("AT") == b"AT\r\r\nOK\r\n"
    client.at("ATE0")
    assert client.at("AT+CGMR") == b"\r\n+CGMR: LE20B04SIM7600G22\r\n\r\nOK\r\n"
    client.close()
    assert client.process.returncode == 0


def test_a_serial_client_uploads_a_file_and_reads_it_back(start, tmp_path):
    client = start()
    client.at("ATE0")
    data = os.urandom(20_000)
    client.port.write(b'AT+CFTRANRX="E:/a.bin",20000\r')
    client.read_until(b">")
    client.port.write(data)
    client.read_until(b"\r\nOK\r\n")
    assert (tmp_path / "E" / "a.bin").read_bytes() == data
    client.port.write(b'AT+CFTRANTX="E:/a.bin",1024,512\r')
    client.read_until(b"+CFTRANTX: DATA,512\r\n")
    assert client.port.read(512) == data[1024:1536]
    client.read_until(b"\r\n+CFTRANTX: 0\r\n\r\nOK\r\n")


def upload(client, path, data, *, size):
    client.port.write(f'AT+CFTRANRX="{path}",{len(data)}\r'.encode())
    client.read_until(b">")
    for start in range(0, len(data), size):
        client.port.write(data[start : start + size])


def test_data_written_without_pacing_is_lost_at_a_paced_rate(start):
    client = start("--pace", "115200")
    client.at("ATE0")
    upload(client, "E:/a", bytes(2000), size=2000)
    client.port.timeout = 0.5
    assert client.port.read(10) == b""
    # The bytes that were lost are still wanted.
    client.port.timeout = 10
    got = b""
    for _ in range(2000):
        client.port.write(b"\0")
        client.port.timeout = 0.002
        got += client.port.read(6)
        if got:
            break
    client.port.timeout = 10
    assert got + client.port.read(6 - len(got)) == b"\r\nOK\r\n"


def test_flow_control_on_both_ends_loses_nothing(start, tmp_path):
    client = start("--pace", "921600", "--profile", "rx_drain_flow=50000")
    client.at("ATE0")
    client.at("AT+IFC=2,2")
    client.port.rtscts = True
    data = os.urandom(20_000)
    upload(client, "E:/a", data, size=20_000)
    client.read_until(b"\r\nOK\r\n")
    assert (tmp_path / "E" / "a").read_bytes() == data


def test_flow_control_that_the_client_ignores_loses_bytes(start):
    client = start("--pace", "921600", "--profile", "rx_drain_flow=50000")
    client.at("ATE0")
    client.at("AT+IFC=2,2")
    upload(client, "E:/a", bytes(20_000), size=20_000)
    client.port.timeout = 1
    assert client.port.read(10) == b""


def test_pacing_follows_the_baud_rate(start, tmp_path):
    client = start("--pace", "115200")
    client.at("ATE0")
    assert b"+IPR: 115200" in client.at("AT+IPR?")
    client.at("AT+IPR=921600")
    assert b"+IPR: 921600" in client.at("AT+IPR?")
    (tmp_path / "E" / "a").write_bytes(bytes(5000))
    got = client.at('AT+CFTRANTX="E:/a"')
    assert got.count(b"+CFTRANTX: DATA,") == 10


def test_the_rate_of_the_client_counts_when_asked_for(start):
    client = start("--pace", "115200", "--strict-baud")
    assert client.at("ATE0").endswith(b"\r\nOK\r\n")
    client.at("AT+IPR=921600")
    client.port.write(b"AT\r")
    client.port.timeout = 0.3
    assert b"OK" not in client.port.read(6)
    client.port.timeout = 10
    client.port.baudrate = 921600
    client.port.write(b"\r")
    assert client.at("AT") == b"\r\nOK\r\n"


def test_options_of_the_command_line(start, tmp_path):
    link = tmp_path / "port"
    client = start(
        "--link",
        str(link),
        "--profile",
        "has_E=false",
        "--faults",
        "overridereply:command=CGMM,reply=ERROR",
        "--trace",
        "--seed",
        "5",
    )
    assert os.readlink(link) == client.path
    client.at("ATE0")
    assert client.at("AT+FSCD=E:/") == b"\r\nERROR\r\n"
    assert client.at("AT+CGMM") == b"\r\nERROR\r\n"
    assert b"SIM7600E" in client.at("AT+CGMM")
    errors = client.close()
    assert not link.is_symlink()
    assert ">> AT+FSCD=E:/\n<< ERROR\n" in errors
    assert errors.endswith("fault OverrideReply fired 1\n")


def test_a_boot_is_seen_when_asked_for(start):
    client = start("--boot", "--profile", "boot_ms=50")
    client.read_until(b"\r\nRDY\r\n")
    assert client.at("AT").endswith(b"\r\nOK\r\n")


def test_a_client_may_leave_and_another_come(start):
    client = start()
    client.at("ATE0")
    client.port.close()
    client.port = serial.Serial(client.path, 115200, timeout=10)
    assert client.at("AT") == b"\r\nOK\r\n"


def test_storage_and_stored_baud_outlive_the_program(start, tmp_path):
    first = start()
    first.at("ATE0&W")
    upload(first, "F:/a", b"123", size=3)
    first.read_until(b"\r\nOK\r\n")
    first.close()
    second = start()
    assert second.at("AT+FSCD=F:/") == b"\r\n+FSCD: F:/\r\n\r\nOK\r\n"
    assert b"+FSATTRI: 3, " in second.at("AT+FSATTRI=a")


@pytest.mark.parametrize(
    "options, message",
    [
        (["--pace", "1000000"], "--pace: expected a rate of the modem (300, "),
        (["--strict-baud"], "--strict-baud: expected --pace BAUD with it"),
        (["--profile", "x=1"], "modem profile: no knob is called 'x'"),
        (["--faults", "x"], "fault plan: expected one of"),
        (["--link", "{storage}"], "to be free or a symbolic link, it is a file"),
    ],
    ids=["rate", "strict", "profile", "faults", "link"],
)
def test_a_bad_option_is_one_sentence(tmp_path, capsys, options, message):
    options = [option.format(storage=tmp_path) for option in options]
    assert cli.main(["--storage", str(tmp_path), *options]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_a_storage_that_is_a_file_is_refused(tmp_path, capsys):
    place = tmp_path / "file"
    place.write_bytes(b"")
    assert cli.main(["--storage", str(place)]) == 2
    expected = f"--storage: expected a folder that can be made, got '{place}' (File "
    assert expected in capsys.readouterr().err
