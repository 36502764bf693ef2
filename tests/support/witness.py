# SPDX-License-Identifier: Apache-2.0
"""Runs commands in a home of their own and keeps everything that they leave behind.

    witness = Witness(tmp_path)
    witness.run("nrfota", "package", ...)
    assert leaks(witness, {"key": key}, allowed=[...]) == []

Kept are: what is printed, the arguments of every process that a command starts, every
file that is there afterwards (with its mode), and the content of every file that is
deleted on the way (by an audit hook in each Python process).
"""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

# Runs at the start of every Python process below `Witness.run`.
HOOK = """
import base64, json, os, stat, sys

_FOLDER = os.environ["WITNESS"]
_BUSY = False

def _note(kind, **what):
    with open(os.path.join(_FOLDER, f"{os.getpid()}.jsonl"), "a") as file:
        file.write(json.dumps({"kind": kind, **what}) + "\\n")

def _file(path, folder):
    try:
        handle = os.open(path, os.O_RDONLY, dir_fd=None if folder < 0 else folder)
    except OSError:
        return
    with os.fdopen(handle, "rb") as file:
        info = os.fstat(handle)
        data = file.read(1 << 22) if stat.S_ISREG(info.st_mode) else b""
    _note("deleted", path=os.fsdecode(path), mode=info.st_mode & 0o777,
          data=base64.b64encode(data).decode())

def _hook(event, args):
    global _BUSY
    if _BUSY:
        return
    _BUSY = True
    try:
        if event == "subprocess.Popen":
            given = args[1]
            given = [given] if isinstance(given, (str, bytes)) else given
            _note("process", arguments=[os.fsdecode(arg) for arg in given])
            if args[3] is not None:
                _note("environment", arguments=[f"{k}={v}" for k, v in args[3].items()])
        elif event in ("os.exec", "os.posix_spawn", "os.spawn"):
            _note("process", arguments=[str(arg) for arg in args])
        elif event == "os.remove":
            _file(*args)
    finally:
        _BUSY = False

_note("process", arguments=list(sys.orig_argv))
sys.addaudithook(_hook)
"""


@dataclass(frozen=True)
class Trace:
    """Something that was left behind; `mode` is None for what has none."""

    where: str
    data: bytes
    mode: int | None = None


class Witness:
    """A home, a folder for temporary files, and what happened there."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.temporary = folder / "tmp"
        self._notes = folder / "notes"
        self._hook = folder / "hook"
        for path in (self.home, self.temporary, self._notes, self._hook):
            path.mkdir()
        (self._hook / "sitecustomize.py").write_text(HOOK)
        self._printed: list[Trace] = []

    def run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """Runs `python -m` with these arguments in the home, with umask 022."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "PYTHONPATH": str(self._hook),
            "WITNESS": str(self._notes),
        }
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=self.home,
            env=environment,
            capture_output=True,
            check=False,
            umask=0o022,
        )
        what = " ".join(arguments[:2])
        self._printed.append(Trace(f"stdout of {what}", done.stdout))
        self._printed.append(Trace(f"stderr of {what}", done.stderr))
        return done

    def traces(self, *more: Path) -> Iterator[Trace]:
        """All of it; `more` are further folders to look into."""
        yield from self._printed
        for notes in sorted(self._notes.iterdir()):
            for line in notes.read_text().splitlines():
                note = json.loads(line)
                if note["kind"] == "deleted":
                    data = base64.b64decode(note["data"])
                    yield Trace(f"deleted {note['path']}", data, note["mode"])
                else:
                    text = "\0".join(note["arguments"])
                    yield Trace(
                        f"{note['kind']} {note['arguments'][:4]}", text.encode()
                    )
        for folder in (self.home, self.temporary, *more):
            for path in sorted(folder.rglob("*")):
                if path.is_file() and not path.is_symlink():
                    mode = stat.S_IMODE(path.stat().st_mode)
                    yield Trace(str(path), path.read_bytes(), mode)


def spellings(secret: bytes) -> dict[str, bytes]:
    """Ways to write a secret that a search has to find, in lower case."""
    found = {"raw": secret, "hex": secret.hex().encode()}
    found["spaced hex"] = secret.hex(" ").encode()
    found["list"] = ", ".join(map(str, secret)).encode()
    found["repr"] = repr(secret)[2:-1].encode()
    for skip in range(3):  # base64 of a text that holds it somewhere
        text = base64.b64encode(bytes(skip) + secret)
        found[f"base64+{skip}"] = text[4 : 4 + len(text) - 9]
    return found


def leaks(
    traces: Iterator[Trace], secrets: dict[str, bytes], *, allowed: Sequence[Path]
) -> list[str]:
    """Where a secret is that may not be there.

    `allowed` files may hold secrets while nobody else can read them (mode 0600).
    """
    private = {str(path) for path in allowed}
    found = []
    for trace in traces:
        is_private = trace.mode == 0o600 and (
            trace.where in private or trace.where.startswith("deleted ")
        )
        if is_private:
            continue
        lower = trace.data.lower()
        for name, secret in secrets.items():
            for form, text in spellings(secret).items():
                is_exact = form == "raw" or form.startswith("base64")
                if text in (trace.data if is_exact else lower):
                    found.append(f"{name} as {form} in {trace.where}")
    return found
