# SPDX-License-Identifier: Apache-2.0
"""`nrfota.certs`: certificates into a modem that is odd, busy or restarts."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from nrfota.at import commands
from nrfota.certs import MAX_ATTEMPTS, CertOptions, CertStore, check_store_name
from nrfota.cloud.files import CA_NAME, CERT_NAME, KEY_NAME, CertFile
from nrfota.errors import LinkError, ModemError, OtaError, UsageError, VerifyError
from support.certificates import key_pem, rsa_key
from support.fake_modem import FakeModem

CA = CertFile("tls.ca", CA_NAME, Path("ca.pem"), b"-----BEGIN CERTIFICATE-----\n" * 80)
KEY = CertFile("tls.key", KEY_NAME, Path("dev.key"), key_pem(rsa_key()))
WHOLE = {CA_NAME: CA.data, KEY_NAME: KEY.data}


def install(modem: FakeModem, *, force: bool = False, **options: Any) -> list[str]:
    """What was done with the two files."""
    with CertStore(modem.link, options=CertOptions(**options)) as store:
        return [action.what for action in store.install((CA, KEY), force=force)]


def test_an_empty_store_takes_every_file() -> None:
    """Byte by byte; the link is left as it was."""
    modem = FakeModem()
    assert install(modem) == ["stored", "stored"]
    assert modem.certificates == WHOLE
    assert f'AT+CCERTDOWN="ca.pem",{len(CA.data)}' in modem.commands
    assert modem.commands.count("AT+CCERTLIST") == 5


def test_what_is_there_stays() -> None:
    """Nothing is deleted and nothing sent."""
    modem = FakeModem()
    modem.certificates = {CA_NAME: b"old"}
    assert install(modem) == ["kept", "stored"]
    assert modem.certificates == {CA_NAME: b"old", KEY_NAME: KEY.data}
    assert install(modem) == ["kept", "kept"]


@pytest.mark.parametrize("half", [CERT_NAME, KEY_NAME])
def test_half_a_pair_is_replaced(half: str) -> None:
    """The other half would belong to another certificate."""
    modem = FakeModem()
    modem.certificates = {CA_NAME: b"old", half: b"old"}
    cert = CertFile("tls.cert", CERT_NAME, Path("dev.pem"), b"certificate")
    notes: list[str] = []
    with CertStore(modem.link, options=CertOptions(on_note=notes.append)) as store:
        done = store.install((CA, cert, KEY))
    actions = {action.file.store_name: action.what for action in done}
    other = ({CERT_NAME, KEY_NAME} - {half}).pop()
    assert actions == {CA_NAME: "kept", half: "replaced", other: "stored"}
    assert modem.certificates == {
        CA_NAME: b"old",
        CERT_NAME: cert.data,
        KEY_NAME: KEY.data,
    }
    assert notes == [f"{half} is in the modem without {other}: sending both"]


def test_force_deletes_first_and_replaces() -> None:
    """The manual does not say that the modem overwrites."""
    modem = FakeModem()
    modem.certificates = {CA_NAME: b"old", "other.pem": b"x"}
    assert install(modem, force=True) == ["replaced", "stored"]
    assert modem.certificates == {**WHOLE, "other.pem": b"x"}


def test_lost_bytes_are_noticed_and_the_file_sent_again() -> None:
    """The modem reports nothing: zeros are counted until it answers."""
    modem = FakeModem()
    modem.lose = [3]
    notes: list[str] = []
    assert install(modem, on_note=notes.append) == ["stored", "stored"]
    assert modem.certificates == WHOLE
    assert notes == [
        f"expected the modem to take {len(CA.data)} bytes of ca.pem, it lost 3; "
        "sending ca.pem again"
    ]


def test_each_attempt_is_slower() -> None:
    """Until the modem keeps up."""
    modem = FakeModem()
    modem.lose_when_gap_below = 0.09
    assert install(modem) == ["stored", "stored"]
    assert modem.certificates == WHOLE


def test_a_modem_that_always_loses_bytes_is_left_without_the_file() -> None:
    """Half a certificate would be worse than none."""
    modem = FakeModem()
    modem.lose = [3] * MAX_ATTEMPTS
    with pytest.raises(LinkError, match=r"bytes of ca.pem, it lost 3$"):
        install(modem)
    assert modem.certificates == {}
    assert sum("CCERTDOWN" in line for line in modem.commands) == MAX_ATTEMPTS


def test_a_restart_in_the_middle_is_survived() -> None:
    """What the modem kept of the file is deleted."""
    modem = FakeModem()
    modem.restart_after = [300, 600]
    notes: list[str] = []
    assert install(modem, on_note=notes.append) == ["stored", "stored"]
    assert modem.certificates == WHOLE
    assert notes[0] == (
        f'the modem restarted during AT+CCERTDOWN="ca.pem",{len(CA.data)}; sending '
        "ca.pem again"
    )


def test_a_refusal_is_final() -> None:
    """With the modem's own words."""
    modem = FakeModem()
    modem.refuse_certificates = True
    with pytest.raises(
        ModemError, match=r"the modem answered 'ERROR' to AT\+CCERTDOWN=\"ca.pem\","
    ):
        install(modem)
    assert sum("CCERTDOWN" in line for line in modem.commands) == 1


def test_unsolicited_lines_do_not_disturb() -> None:
    """Between every command and its result."""
    modem = FakeModem()
    modem.urc_between = b"\r\n+CREG: 1\r\n"
    assert install(modem) == ["stored", "stored"]
    assert modem.certificates == WHOLE


def test_with_flow_control_nothing_is_paced() -> None:
    """And it is off again afterwards."""
    modem = FakeModem()
    assert install(modem, flow_control=True) == ["stored", "stored"]
    assert modem.certificates == WHOLE
    assert "AT+IFC=2,2" in modem.commands
    assert modem.commands[-1] == "AT+IFC=0,0"
    assert not modem.link.flow_control


def test_flow_control_that_is_not_wired_ends_in_pacing() -> None:
    """After one attempt."""
    modem = FakeModem()
    modem.lose = [3]
    notes: list[str] = []
    assert install(modem, flow_control=True, on_note=notes.append)
    assert notes[1] == "flow control does not hold: pacing instead"
    assert modem.certificates == WHOLE


def test_a_file_that_is_not_in_the_list_afterwards_is_not_believed() -> None:
    """A modem that says OK and keeps nothing."""
    modem = FakeModem()
    modem.forget_certificates = True
    with pytest.raises(
        VerifyError,
        match=r"expected ca\.pem in the modem's list of certificates, found it not",
    ):
        install(modem)


def test_an_interrupt_leaves_no_half_file() -> None:
    """The modem gets what it waits for, and the file is deleted."""
    modem = FakeModem()
    on_bytes = modem.link.on_bytes
    seen = 0

    def interrupt(data: bytes) -> None:
        nonlocal seen
        on_bytes(data)
        seen += len(data) == 256
        if seen == 3:
            seen += 1
            raise KeyboardInterrupt

    modem.link.on_bytes = interrupt
    with pytest.raises(KeyboardInterrupt):
        install(modem)
    assert modem.certificates == {}
    modem.link.on_bytes = on_bytes
    assert install(modem) == ["stored", "stored"]


def test_a_modem_that_is_not_there_is_a_link_error() -> None:
    """After the time that a start takes."""
    modem = FakeModem()
    modem.dead_until = 1e9
    with pytest.raises(LinkError, match="expected a modem on fake"):
        install(modem)


def test_names_are_listed_and_deleted() -> None:
    """Only those that are there: deleting another one is an error."""
    modem = FakeModem()
    modem.certificates = {CA_NAME: b"a", "other.pem": b"b"}
    with CertStore(modem.link) as store:
        assert store.names() == (CA_NAME, "other.pem")
        assert store.delete((KEY_NAME, CA_NAME)) == (CA_NAME,)
        assert store.names() == ("other.pem",)
        assert store.imei() == modem.imei


@pytest.mark.parametrize(
    "name", ["a.txt", ".pem", "../ca.pem", 'a".pem', "a" * 125 + ".pem", "a\n.pem"]
)
def test_a_name_that_the_store_cannot_have_is_refused(name: str) -> None:
    """Before it becomes part of a command."""
    with pytest.raises(UsageError, match="expected a name of at most 128 letters"):
        check_store_name(name)
    assert check_store_name("a" * 124 + ".der")


def test_an_odd_pace_is_refused() -> None:
    """With the known ones."""
    with pytest.raises(UsageError, match="expected a pace from safe, fast, got 'x'"):
        CertOptions(pace="x")


def parts_of_the_key() -> list[str]:
    lines = KEY.data.decode().splitlines()
    return [line[:20] for line in lines if len(line) >= 20 and "-" not in line]


@pytest.mark.parametrize(
    "trouble",
    [
        lambda modem: setattr(modem, "restart_after", [2300, 100]),
        lambda modem: setattr(modem, "lose", [0, 3, 3, 3, 3, 3]),
    ],
    ids=["restart", "lost_bytes"],
)
def test_nothing_of_the_key_is_told(
    trouble: Callable[[FakeModem], None], caplog: pytest.LogCaptureFixture
) -> None:
    """Neither in logs nor in notes nor in errors, whatever happens."""
    modem = FakeModem()
    trouble(modem)
    said: list[str] = []
    with caplog.at_level(logging.DEBUG):
        try:
            install(modem, on_note=said.append)
        except OtaError as error:
            said.append(str(error))
    told = caplog.text + "".join(said) + repr(KEY)
    assert "CCERTDOWN" in told
    assert [part for part in parts_of_the_key() if part in told] == []


def test_a_modem_that_echoes_the_key_gets_it_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """After a restart the rest of a payload is echoed as if it were commands."""
    modem = FakeModem()
    on_bytes = modem.link.on_bytes

    def echo(data: bytes) -> None:
        on_bytes(data)
        if len(data) == 256:
            modem.link.reply(b"\r\n" + KEY.data.replace(b"\n", b"\r\n"), after_s=0.0)

    modem.link.on_bytes = echo
    with caplog.at_level(logging.DEBUG), CertStore(modem.link) as store:
        store.install((KEY,))
    assert "characters)" in caplog.text
    assert [part for part in parts_of_the_key() if part in caplog.text] == []
    assert modem.certificates == {KEY_NAME: KEY.data}


def test_a_command_does_not_show_its_payload() -> None:
    """In a traceback, for example."""
    command = commands.store_certificate(KEY_NAME, KEY.data, secret=True)
    assert "PRIVATE" not in repr(command)


@pytest.mark.parametrize("lines", [(), ("86764804000001",), ("+CGSN: x",)])
def test_an_imei_is_fifteen_digits(lines: tuple[str, ...]) -> None:
    """Nothing else is taken for one."""
    with pytest.raises(OtaError, match="expected 15 digits, got"):
        commands.imei().parse(commands.Reply(lines))
