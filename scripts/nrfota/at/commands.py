# SPDX-License-Identifier: Apache-2.0
"""AT commands as values: text, what belongs to the reply, its parser, its limits.

Sources: SIM7500_SIM7600 Series AT Command Manual V3.00, chapter named at each
command. File names are checked where they enter, in `nrfota.modem_storage`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from nrfota.errors import FormatError

T = TypeVar("T")

# The modem sends at most this per DATA line (manual, AT+CFTRANTX).
BLOCK = 512


@dataclass(frozen=True)
class Reply:
    """What came between a command and its completion."""

    lines: tuple[str, ...] = ()
    data: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Command(Generic[T]):
    """One exchange.

    `prefixes`   lines beginning so belong to the reply
    `bare`       lines without a known prefix belong to it too (file lists, names)
    `result`     begins the line that must come besides the final result
    `data_name`  announces counted data; `data_limit` is the most that may come
    `payload`    is sent after a prompt; None when the command has no prompt
    `secret`     the payload is a key: what may be its echo is not logged
    `timeout_s`  limits the whole exchange; for a payload see `Session.begin`
    `attempts`   how often a caller may send it when the link fails
    """

    text: str
    parse: Callable[[Reply], T]
    prefixes: tuple[str, ...] = ()
    bare: bool = False
    result: str = ""
    data_name: str = ""
    data_limit: int = 0
    payload: bytes | None = field(default=None, repr=False)
    secret: bool = False
    timeout_s: float = 3.0
    attempts: int = 3

    def wire(self) -> bytes:
        """What is sent: the text and a carriage return."""
        return self.text.encode("ascii") + b"\r"


def _nothing(_reply: Reply) -> None:
    return None


def _value(reply: Reply, name: str) -> str:
    """What follows `name:` in the reply's line of that name."""
    for line in reply.lines:
        if line.startswith(name + ":"):
            return line[len(name) + 1 :].strip()
    raise FormatError(f"expected a line '{name}: ...', got {list(reply.lines)}")


def simple(text: str, *, timeout_s: float = 3.0, attempts: int = 3) -> Command[None]:
    """A command whose whole reply is `OK`."""
    return Command(text=text, parse=_nothing, timeout_s=timeout_s, attempts=attempts)


# Serial interface, chapters 2 and 3


def attention() -> Command[None]:
    """`AT`: is anybody there?"""
    return simple("AT", timeout_s=0.3, attempts=1)


def echo_off() -> Command[None]:
    """`ATE0`; the line itself is still echoed."""
    return simple("ATE0")


def error_text() -> Command[None]:
    """`AT+CMEE=2`: errors as words."""
    return simple("AT+CMEE=2")


def urc_port_uart() -> Command[None]:
    """`AT+CATR=1`: unsolicited lines and CFTRANTX data go to the UART."""
    return simple("AT+CATR=1")


def set_baud(baud: int) -> Command[None]:
    """`AT+IPR`: volatile; `OK` still comes at the old rate."""
    return simple(f"AT+IPR={baud}", attempts=1)


def set_flow_control(*, enabled: bool) -> Command[None]:
    """`AT+IFC`: RTS/CTS in both directions, or none."""
    return simple("AT+IFC=2,2" if enabled else "AT+IFC=0,0")


def revision() -> Command[str]:
    """`AT+CGMR`: firmware revision."""
    return Command(
        text="AT+CGMR",
        parse=lambda reply: _value(reply, "+CGMR"),
        prefixes=("+CGMR:",),
    )


def imei() -> Command[str]:
    """`AT+CGSN`: the modem's serial number, 15 digits."""
    return Command(text="AT+CGSN", parse=_parse_imei, bare=True)


def _parse_imei(reply: Reply) -> str:
    for line in reply.lines:
        if re.fullmatch(r"\d{15}", line):
            return line
    raise FormatError(f"expected 15 digits, got {list(reply.lines)}")


# File system, chapter 11


def change_directory(drive: str) -> Command[None]:
    """`AT+FSCD=E:/`: `ERROR` when this firmware has no such drive."""
    return Command(
        text=f"AT+FSCD={drive}/",
        parse=_nothing,
        prefixes=("+FSCD:",),
    )


def free_space() -> Command[int]:
    """`AT+FSMEM`: free bytes of the current drive."""
    return Command(text="AT+FSMEM", parse=_parse_fsmem, prefixes=("+FSMEM:",))


def _parse_fsmem(reply: Reply) -> int:
    text = _value(reply, "+FSMEM")
    match = re.match(r"[A-Za-z]:/?\s*\(\s*(\d+)\s*,\s*(\d+)\s*\)", text)
    if match is None:
        raise FormatError(f"expected '+FSMEM: C:(total, used)', got '{text}'")
    return max(0, int(match[1]) - int(match[2]))


def file_size(name: str) -> Command[int]:
    """`AT+FSATTRI`: size of a file in the current directory; `ERROR` when missing."""
    return Command(
        text=f"AT+FSATTRI={name}", parse=_parse_fsattri, prefixes=("+FSATTRI:",)
    )


def _parse_fsattri(reply: Reply) -> int:
    text = _value(reply, "+FSATTRI")
    # "8604, 2008/04/28 10:24:46 Tue", "401408,1980/01/06 ..." or the size alone
    match = re.match(r"(\d+)\s*(?:,|$)", text)
    if match is None:
        raise FormatError(f"expected '+FSATTRI: size, date', got '{text}'")
    return int(match[1])


def delete_file(name: str) -> Command[None]:
    """`AT+FSDEL`: never for a missing file, which upsets some firmware."""
    return simple(f"AT+FSDEL={name}", timeout_s=10.0, attempts=1)


def list_files() -> Command[tuple[str, ...]]:
    """`AT+FSLS=2`: names of the files in the current directory."""
    return Command(
        text="AT+FSLS=2",
        parse=_parse_fsls,
        prefixes=("+FSLS:",),
        bare=True,
        timeout_s=10.0,
    )


def _parse_fsls(reply: Reply) -> tuple[str, ...]:
    names: list[str] = []
    in_files = False
    for line in reply.lines:
        if line.startswith("+FSLS:"):
            in_files = line[6:].strip().rstrip(":") == "FILES"
        elif in_files:
            names.append(line)
    return tuple(names)


# File transfer, chapter "CFTRANRX / CFTRANTX"


def upload(path: str, payload: bytes) -> Command[None]:
    """`AT+CFTRANRX`: the modem stores exactly `len(payload)` bytes after its prompt."""
    return Command(
        text=f'AT+CFTRANRX="{path}",{len(payload)}',
        parse=_nothing,
        payload=payload,
        timeout_s=65.0,
        attempts=1,
    )


def _parse_download(reply: Reply) -> bytes:
    if (code := _value(reply, "+CFTRANTX")).lstrip("0"):
        raise FormatError(f"expected '+CFTRANTX: 0' at the end, got '{code}'")
    return reply.data


def download(path: str, *, offset: int, size: int) -> Command[bytes]:
    """`AT+CFTRANTX`: up to `size` bytes from `offset`; fewer at the file's end.

    The time is for `size` bytes at 9600 baud at worst; the session's deadline is
    for the whole exchange.
    """
    return Command(
        text=f'AT+CFTRANTX="{path}",{offset},{size}',
        parse=_parse_download,
        prefixes=("+CFTRANTX:",),
        result="+CFTRANTX:",
        data_name="+CFTRANTX",
        data_limit=size,
        timeout_s=5.0 + size * 1.5 / 960,
    )


# Certificates, chapter "SSL"


def store_certificate(name: str, payload: bytes, *, secret: bool) -> Command[None]:
    """`AT+CCERTDOWN`: takes exactly `len(payload)` bytes after its prompt."""
    return Command(
        text=f'AT+CCERTDOWN="{name}",{len(payload)}',
        parse=_nothing,
        payload=payload,
        secret=secret,
        timeout_s=65.0,
        attempts=1,
    )


def list_certificates() -> Command[tuple[str, ...]]:
    """`AT+CCERTLIST`: names in the modem's certificate store."""
    return Command(
        text="AT+CCERTLIST",
        parse=lambda reply: tuple(
            line.removeprefix("+CCERTLIST:").strip().strip('"') for line in reply.lines
        ),
        prefixes=("+CCERTLIST:",),
    )


def delete_certificate(name: str) -> Command[None]:
    """`AT+CCERTDELE`: `ERROR` when there is none of that name."""
    return simple(f'AT+CCERTDELE="{name}"', timeout_s=10.0, attempts=1)
