# SPDX-License-Identifier: Apache-2.0
"""A real serial port, on a pseudo-terminal."""

from __future__ import annotations

import os
import termios
import tty
from collections.abc import Iterator

import pytest
from nrfota.errors import LinkError, NoDeviceError
from nrfota.serial_link import SerialLink


@pytest.fixture
def ends() -> Iterator[tuple[int, str]]:
    """The other end's file descriptor and the port's path."""
    ours, theirs = os.openpty()
    tty.setraw(ours)
    path = os.ttyname(theirs)
    os.close(theirs)
    yield ours, path
    os.close(ours)


def test_bytes_go_both_ways(ends: tuple[int, str]) -> None:
    ours, path = ends
    with SerialLink(path, baud=921600) as link:
        link.write(b"\x00\xffAT\r")
        assert link.drain() <= link.now()
        assert os.read(ours, 100) == b"\x00\xffAT\r"
        os.write(ours, b"\r\nOK\r\n")
        assert link.read(5.0) == b"\r\nOK\r\n"
        assert link.read(0) == b""
        assert link.name == path


def test_drain_waits_for_the_wire(ends: tuple[int, str]) -> None:
    """What the driver has swallowed still needs its time at this baud rate."""
    with SerialLink(ends[1], baud=9600) as link:
        start = link.now()
        link.write(bytes(48))
        assert link.drain() <= link.now()
        assert link.now() - start >= 48 * 10 / 9600


def test_the_baud_rate_reaches_the_port(ends: tuple[int, str]) -> None:
    with SerialLink(ends[1], baud=115200) as link:
        assert link.baud == 115200
        link.set_baud(460800)
        assert link.baud == 460800
        assert termios.tcgetattr(ends[0])[4] == termios.B460800


def test_flow_control_reaches_the_port(ends: tuple[int, str]) -> None:
    with SerialLink(ends[1], baud=115200) as link:
        link.set_flow_control(True)
        assert termios.tcgetattr(ends[0])[2] & termios.CRTSCTS
        link.set_flow_control(False)
        assert not termios.tcgetattr(ends[0])[2] & termios.CRTSCTS


def test_the_port_is_ours_alone(ends: tuple[int, str]) -> None:
    with SerialLink(ends[1], baud=115200), pytest.raises(NoDeviceError):
        SerialLink(ends[1], baud=115200)


def test_a_port_that_is_not_there_is_told() -> None:
    with pytest.raises(
        NoDeviceError, match=r"expected a serial port at /dev/ttyNOPE, got: .*ttyNOPE"
    ):
        SerialLink("/dev/ttyNOPE", baud=115200)


def test_a_port_that_goes_away_is_told() -> None:
    ours, theirs = os.openpty()
    path = os.ttyname(theirs)
    os.close(theirs)
    with SerialLink(path, baud=115200) as link:
        os.close(ours)
        with pytest.raises(LinkError, match="lost the serial port /dev/pts/"):
            link.read(1.0)


def test_a_port_that_takes_nothing_is_told(
    ends: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nrfota.serial_link.STUCK_S", 0.01)
    with (
        SerialLink(ends[1], baud=115200) as link,
        pytest.raises(LinkError, match=r"expected /dev/pts/\d+ to take 100000 bytes"),
    ):
        link.write(bytes(100_000))
