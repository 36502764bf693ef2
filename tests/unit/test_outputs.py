# SPDX-License-Identifier: Apache-2.0
"""`nrfota.outputs`: all files or none."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from nrfota.errors import OtaError, UsageError
from nrfota.outputs import Output, read_input, write_outputs


def three(folder: Path, tag: bytes = b"new") -> list[Output]:
    return [
        Output(folder / "a", tag + b" a"),
        Output(folder / "b", tag + b" b", secret=True),
        Output(folder / "c", tag + b" c"),
    ]


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_all_files_are_written_and_nothing_else(tmp_path: Path) -> None:
    """Also into a folder that is not there yet; older files are replaced."""
    folder = tmp_path / "x" / "y"
    write_outputs(three(folder, b"old"))
    write_outputs(three(folder))
    assert content(folder) == {"a": b"new a", "b": b"new b", "c": b"new c"}


def test_secret_file_is_private_from_its_first_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked at when it is opened, and at the end; also over an older open one."""
    (tmp_path / "b").write_bytes(b"")
    (tmp_path / "b").chmod(0o666)
    modes = []
    real = os.fdopen

    def spy(handle: int, *rest: Any) -> Any:
        modes.append(stat.S_IMODE(os.fstat(handle).st_mode))
        return real(handle, *rest)

    monkeypatch.setattr(os, "fdopen", spy)
    old = os.umask(0)
    try:
        write_outputs(three(tmp_path))
    finally:
        os.umask(old)
    assert modes == [0o666, 0o600, 0o666]
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o600


@pytest.mark.parametrize("failing", [0, 1, 2], ids=["first", "second", "third"])
@pytest.mark.parametrize("older", [True, False], ids=["over_older", "fresh"])
def test_failed_rename_puts_everything_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int, older: bool
) -> None:
    """The third fails: the first two are as before."""
    if older:
        write_outputs(three(tmp_path, b"old"))
    before = content(tmp_path)
    real = os.replace
    target = three(tmp_path)[failing].path

    def replace(source: Path, destination: Path) -> None:
        if destination == target and source.suffix == ".tmp":
            raise OSError(28, "No space left on device", str(source), None, target)
        real(source, destination)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(OtaError, match=f"cannot write '{target}': No space left"):
        write_outputs(three(tmp_path))
    assert content(tmp_path) == before


def test_without_hard_links_older_files_are_put_back_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FAT has none."""
    write_outputs(three(tmp_path, b"old"))
    before = content(tmp_path)
    real = os.replace

    def link(*_: Any) -> None:
        raise OSError(1, "Operation not permitted")

    def replace(source: Path, destination: Path) -> None:
        if destination.name == "b" and source.suffix == ".tmp":
            raise OSError(5, "Input/output error", str(source), None, destination)
        real(source, destination)

    monkeypatch.setattr(os, "link", link)
    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(OtaError, match="Input/output error"):
        write_outputs(three(tmp_path))
    assert content(tmp_path) == before


def test_directory_in_the_way_is_refused_before_anything_is_written(
    tmp_path: Path,
) -> None:
    """Named, and nothing appears."""
    (tmp_path / "c").mkdir()
    with pytest.raises(UsageError, match=r"cannot write '.*/c': it is a directory"):
        write_outputs(three(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A file stands where a folder should."""
    (tmp_path / "f").write_bytes(b"")
    with pytest.raises(OtaError, match=r"cannot write '.*/f.*': "):
        write_outputs(three(tmp_path / "f"))


def test_input_that_is_not_there_is_named(tmp_path: Path) -> None:
    """One sentence."""
    with pytest.raises(UsageError, match=r"cannot read '.*/none': No such file"):
        read_input(tmp_path / "none")


def test_one_set_at_a_time_is_renamed_in_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs at once must not leave one's ota.ebin beside the other's ota.json."""
    real = os.replace
    refused = []

    def replace(source: Path, destination: Path) -> None:
        handle = os.open(tmp_path, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            refused.append(destination.name)
        finally:
            os.close(handle)
        real(source, destination)

    monkeypatch.setattr(os, "replace", replace)
    write_outputs(three(tmp_path))
    assert refused == ["a", "b", "c"]
    handle = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(handle)


def test_file_that_cannot_be_written_is_named_not_its_temporary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read-only folder."""
    real = os.open

    def refuse(path: Any, *rest: Any) -> int:
        if str(path).endswith(".tmp"):
            raise OSError(30, "Read-only file system", str(path))
        return real(path, *rest)

    monkeypatch.setattr(os, "open", refuse)
    expected = f"^cannot write '{tmp_path / 'a'}': Read-only file system$"
    with pytest.raises(OtaError, match=expected):
        write_outputs(three(tmp_path))


def test_input_is_read_up_to_a_limit(tmp_path: Path) -> None:
    """Some files have no end."""
    assert read_input(Path("/dev/zero"), limit=17) == bytes(17)
