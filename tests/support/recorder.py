# SPDX-License-Identifier: Apache-2.0
"""Executables that record how they were called, for tests of runners.

    recorder = Recorder(folder, monkeypatch)
    recorder.add("nrfjprog", says="0x00000FF8: 000F6000", code=0)
    ...
    assert recorder.calls == [["nrfjprog", "--reset"]]

PATH holds the recording executables and nothing else. A file that exists when the tool
is called and is named in an argument can be kept with `keep`: its text at that moment
is in `recorder.files`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

_SCRIPT = """\
#!{python}
import json, pathlib, re, sys
plan = json.loads(pathlib.Path({plan!r}).read_text())
argv = [plan["name"], *sys.argv[1:]]
entry = {{"argv": argv, "files": {{}}, "modes": {{}}}}
for argument in sys.argv[1:]:
    for name in re.findall(r"[^{{}} ]+", argument):
        path = pathlib.Path(name)
        if path.is_absolute() and path.is_file():
            entry["files"][path.name] = path.read_bytes().decode("latin-1")
            entry["modes"][path.name] = path.stat().st_mode & 0o777
with open({log!r}, "a") as log:
    log.write(json.dumps(entry) + "\\n")
for flag, text in plan["writes"].items():
    if flag in argv:
        pathlib.Path(argv[argv.index(flag) + 1]).write_bytes(text.encode("latin-1"))
for argument in argv:
    match = re.match(r"dump_image {{(.*)}} ", argument)
    if match and "dump_image" in plan["writes"]:
        pathlib.Path(match[1]).write_bytes(plan["writes"]["dump_image"].encode("latin-1"))
print(plan["says"])
print(plan["complains"], file=sys.stderr)
raise SystemExit(plan["code"])
"""


class Recorder:
    """A folder of recording executables that is the whole PATH."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._log = folder / "calls.jsonl"
        folder.mkdir(parents=True, exist_ok=True)
        monkeypatch.setenv("PATH", str(folder))

    def add(
        self,
        name: str,
        *,
        says: str = "",
        complains: str = "",
        code: int = 0,
        writes: dict[str, bytes] | None = None,
    ) -> None:
        """An executable; `writes` maps an option to what is written to its value."""
        plan = self._folder / f"{name}.json"
        texts = {flag: data.decode("latin-1") for flag, data in (writes or {}).items()}
        plan.write_text(
            json.dumps(
                {
                    "name": name,
                    "says": says,
                    "complains": complains,
                    "code": code,
                    "writes": texts,
                }
            )
        )
        script = self._folder / name
        script.write_text(
            _SCRIPT.format(python=sys.executable, plan=str(plan), log=str(self._log))
        )
        script.chmod(0o755)

    @property
    def entries(self) -> list[dict[str, object]]:
        """Every call with its arguments and the files they named."""
        if not self._log.exists():
            return []
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    @property
    def calls(self) -> list[list[str]]:
        """Arguments of every call, the program first."""
        return [list(entry["argv"]) for entry in self.entries]  # type: ignore[call-overload]

    @property
    def modes(self) -> dict[str, int]:
        """Permissions of every file that an argument named."""
        found: dict[str, int] = {}
        for entry in self.entries:
            found.update(entry["modes"])  # type: ignore[call-overload]
        return found

    @property
    def files(self) -> list[dict[str, str]]:
        """For every call, the files that its arguments named: name to text."""
        return [dict(entry["files"]) for entry in self.entries]  # type: ignore[call-overload]
