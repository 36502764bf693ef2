# SPDX-License-Identifier: Apache-2.0
"""The blocking client: finding the modem, and finding it again."""

from __future__ import annotations

import pytest
from nrfota.at import Client, commands
from nrfota.errors import LinkError, ModemRebooted
from support.fake_modem import FakeModem


@pytest.fixture
def modem() -> FakeModem:
    return FakeModem()


@pytest.fixture
def client(modem: FakeModem) -> Client:
    return Client(modem.link)


@pytest.mark.parametrize("baud", [9600, 115200, 230400, 460800, 921600])
def test_sync_finds_the_modem_at_any_rate(
    modem: FakeModem, client: Client, baud: int
) -> None:
    modem.baud = baud
    assert client.sync() == baud
    assert modem.link.baud == baud
    assert not modem.echo


def test_sync_waits_for_a_modem_that_starts(modem: FakeModem, client: Client) -> None:
    modem.restart(for_s=15.0)
    assert client.sync() == 115200
    assert modem.link.time_s > 15.0
    assert not client.restarted


def test_the_rest_of_a_start_is_no_new_restart(
    modem: FakeModem, client: Client
) -> None:
    client.sync()
    modem.link.reply(b"\r\n+CPIN: READY\r\n\r\nSMS DONE\r\n\r\nPB DONE\r\n", after_s=0)
    assert client.run(commands.free_space()) > 0


def test_sync_gives_up_after_its_time(modem: FakeModem, client: Client) -> None:
    modem.dead_until = 1e9
    with pytest.raises(LinkError, match="within 5 s"):
        client.sync(start_s=5.0, bauds=(115200,))
    assert modem.link.time_s < 15.0


def test_sync_drains_what_a_modem_still_sends(modem: FakeModem, client: Client) -> None:
    for _ in range(30):
        modem.link.reply(b"\xff\x00garbage OK\r\n" * 5, after_s=0.1)
    assert client.sync() == 115200


def test_urcs_are_handed_on(modem: FakeModem) -> None:
    heard: list[str] = []
    client = Client(modem.link, on_urc=heard.append)
    modem.urc_between = b"\r\n+CTZV: 8\r\n"
    client.run(commands.attention())
    modem.link.reply(b"\r\nRING\r\n", after_s=0.0)
    client.pause(1.0)
    assert heard == ["+CTZV: 8", "RING"]


def test_pause_lets_time_pass(modem: FakeModem, client: Client) -> None:
    client.pause(2.5)
    assert modem.link.time_s == pytest.approx(2.5)


def test_a_restart_while_idle_is_told_by_the_next_command(
    modem: FakeModem, client: Client
) -> None:
    client.sync()
    modem.link.reply(b"\r\nR", after_s=0.0)
    client.pause(0.1)
    modem.link.reply(b"DY\r\n", after_s=0.0)
    with pytest.raises(ModemRebooted, match="the modem restarted"):
        client.run(commands.free_space())


def test_set_baud_moves_both_ends(modem: FakeModem, client: Client) -> None:
    client.sync()
    client.set_baud(460800)
    assert (modem.baud, modem.link.baud) == (460800, 460800)


def test_an_interrupted_payload_tells_what_is_missing(
    modem: FakeModem, client: Client
) -> None:
    client.sync()

    def stop(sent: int) -> None:
        if sent >= 512:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.run(commands.upload("E:/a", bytes(1000)), timeout_s=100.0, on_sent=stop)
    assert client.payload_missing == 1000 - 512


def test_retry_raises_after_the_commands_attempts(
    modem: FakeModem, client: Client
) -> None:
    client.sync()
    modem.files["E:/a"] = b"x"
    modem.silent_reads = 10
    command = commands.download("E:/a", offset=0, size=1)
    with pytest.raises(LinkError, match="got no final result"):
        client.retry(command)
    assert modem.silent_reads == 10 - command.attempts
