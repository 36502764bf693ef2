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
