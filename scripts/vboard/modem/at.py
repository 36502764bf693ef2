# SPDX-License-Identifier: Apache-2.0
"""AT syntax (V.250): command lines into calls, arguments, results.

A command is a method `handler(call)`. It returns the information lines (OK follows),
or is a generator that yields steps and is resumed with their outcome, or raises
`AtError` / `CmeError`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

CRLF = b"\r\n"


def framed(text: str) -> bytes:
    """A line as it travels: CRLF on both sides."""
    return CRLF + text.encode("utf-8") + CRLF


class AtError(Exception):
    """The command ends with `ERROR`; `line` is printed before it."""

    def __init__(self, line: str = "") -> None:
        super().__init__(line)
        self.line = line


class CmeError(Exception):
    """The command ends with `+CME ERROR`, in the form that AT+CMEE asked for."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


CME_TEXT = {
    0: "phone failure",
    3: "operation not allowed",
    4: "operation not supported",
    10: "SIM not inserted",
    11: "SIM PIN required",
    12: "SIM PUK required",
    13: "SIM failure",
    14: "SIM busy",
    15: "SIM wrong",
    16: "incorrect password",
    20: "memory full",
    21: "invalid index",
    22: "not found",
    23: "memory failure",
    30: "no network service",
    31: "network timeout",
    100: "unknown",
}


class Form(enum.Enum):
    """How a command was written."""

    EXEC = ""
    SET = "="
    READ = "?"
    TEST = "=?"


@dataclass(frozen=True)
class Arg:
    """One argument; `quoted` when it came in double quotes."""

    text: str
    quoted: bool = False

    def number(self, low: int, high: int) -> int:
        """Decimal number in `low`..`high`, else ERROR."""
        text = self.text.removeprefix("-")
        if not (text.isascii() and text.isdecimal() and len(text) <= 10):
            raise AtError
        value = int(self.text)
        if not low <= value <= high:
            raise AtError
        return value

    def string(self, low: int, high: int) -> str:
        """Quoted text of `low`..`high` characters, else ERROR."""
        if not self.quoted or not low <= len(self.text) <= high:
            raise AtError
        return self.text


@dataclass(frozen=True)
class Call:
    """One command of a line, with its arguments."""

    name: str
    form: Form
    text: str = ""
    args: tuple[Arg, ...] = field(default=())

    def need(self, form: Form, low: int = 0, high: int | None = None) -> None:
        """ERROR unless the form and the number of arguments fit."""
        top = low if high is None else high
        if self.form is not form or not low <= len(self.args) <= top:
            raise AtError


# Steps that a generator command yields.


@dataclass(frozen=True)
class Say:
    """Prints one line, framed by CRLF."""

    text: str


@dataclass(frozen=True)
class Send:
    """Sends raw bytes; the command goes on when they have left."""

    data: bytes


@dataclass(frozen=True)
class Block:
    """Counted data: `header` line, exactly these bytes, `tail`; block faults apply."""

    header: str
    data: bytes
    tail: bytes = b""


@dataclass(frozen=True)
class Wait:
    """Goes on after `ns` nanoseconds."""

    ns: int


@dataclass(frozen=True)
class Ask:
    """Prompt, then resumes with exactly `count` bytes from the host."""

    count: int
    prompt: bytes | None = None
    timeout_ns: int | None = None
    on_abort: Callable[[bytes], None] | None = None


@dataclass(frozen=True)
class Job:
    """Work outside the modem (network); resumes with what `run` returned."""

    run: Callable[[], Any]
    wait_ns: Callable[[Any], int]


@dataclass(frozen=True)
class Final:
    """Prints OK now; the command goes on and ends without another result."""


Step = Say | Send | Block | Wait | Ask | Job | Final
Script = Generator[Step, Any, None]
Handler = Callable[[Call], Sequence[str] | Script]


def split_args(text: str) -> tuple[Arg, ...]:
    """Arguments between commas; a comma inside quotes does not count."""
    if not text:
        return ()
    parts, start, inside = [], 0, False
    for index, char in enumerate(text):
        if char == '"':
            inside = not inside
        elif char == "," and not inside:
            parts.append(text[start:index])
            start = index + 1
    if inside:
        raise AtError
    parts.append(text[start:])
    return tuple(_arg(part.strip()) for part in parts)


def _arg(text: str) -> Arg:
    hexed = text.startswith("{non-ascii}")
    if hexed:
        text = text.removeprefix("{non-ascii}")
    if len(text) >= 2 and text[0] == text[-1] == '"':
        inner = text[1:-1]
        if '"' in inner:
            raise AtError
        if hexed:
            try:
                inner = bytes.fromhex(inner).decode("utf-8")
            except ValueError:
                raise AtError from None
        return Arg(inner, quoted=True)
    if hexed or '"' in text:
        raise AtError
    return Arg(text)


def _split_chain(text: str) -> list[str]:
    parts, start, inside = [], 0, False
    for index, char in enumerate(text):
        if char == '"':
            inside = not inside
        elif char == ";" and not inside:
            parts.append(text[start:index])
            start = index + 1
    parts.append(text[start:])
    return parts


def _extended(text: str) -> Call:
    end = 1
    while end < len(text) and text[end] not in "=?":
        end += 1
    name, rest = text[1:end].strip().upper(), text[end:].strip()
    if rest == "":
        return Call(name, Form.EXEC)
    if rest == "?":
        return Call(name, Form.READ)
    if rest == "=?":
        return Call(name, Form.TEST)
    if rest[0] != "=":
        raise AtError
    return Call(name, Form.SET, rest[1:], split_args(rest[1:]))


def _register(text: str, number: str, index: int) -> tuple[Call, int]:
    """`S0=5` or `S0?` from `index`, behind the register's number."""
    mark, end = text[index : index + 1], index + 1
    if not number or mark not in ("=", "?"):
        raise AtError
    if mark == "?":
        return Call("S" + number, Form.READ), end
    while end < len(text) and text[end].isdecimal():
        end += 1
    value = text[index + 1 : end]
    return Call("S" + number, Form.SET, value, (Arg(value),)), end


def _basic(text: str) -> list[Call]:
    """`E0V1&W` and the like: a letter, maybe with &, and a decimal number."""
    calls, index = [], 0
    while index < len(text):
        if text[index] == " ":
            index += 1
            continue
        if text[index] == "+":
            calls.append(_extended(text[index:]))
            break
        name = text[index].upper()
        index += 1
        if name == "&" and index < len(text):
            name += text[index].upper()
            index += 1
        start = index
        while index < len(text) and text[index].isdecimal():
            index += 1
        number = text[start:index]
        if name == "S":
            call, index = _register(text, number, index)
            calls.append(call)
            continue
        form = Form.SET if number else Form.EXEC
        calls.append(Call(name, form, number, (Arg(number),) if number else ()))
    return calls


def parse_line(text: str, *, max_chained: int) -> list[Call]:
    """The calls of a command line after its `AT`; raises `AtError`."""
    calls: list[Call] = []
    for part in _split_chain(text):
        if part.strip():
            calls.extend(_basic(part.strip()))
    if len(calls) > max_chained:
        raise AtError
    return calls
