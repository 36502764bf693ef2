# SPDX-License-Identifier: Apache-2.0
"""`nrfota.build`: command lines, what is run when, and what is refused."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from nrfota import build as build_module
from nrfota.build import BuildRequest, board_path, build, configure_command, find_tools
from nrfota.errors import BuildError, UsageError
from nrfota.layout import default_layout_path, load_layout
from nrfota.size import ImageSize, check, stack_lines, table
from nrfota.stack import StackReport


class Tools:
    """Stands in for CMake; `codes` are its exit codes, one for each call."""

    def __init__(self, *codes: int) -> None:
        self.calls: list[list[str]] = []
        self.codes = list(codes)

    def __call__(self, command: Sequence[str]) -> int:
        self.calls.append(list(command))
        return self.codes.pop(0) if self.codes else 0


@pytest.fixture(autouse=True)
def tools_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests need no compiler."""
    monkeypatch.setattr(build_module, "find_tools", lambda: None)


def test_a_second_build_in_the_same_directory_waits(tmp_path: Path) -> None:
    """While tools run, nobody else gets hold of the build directory."""
    refused = []

    def tool(command: Sequence[str]) -> int:
        handle = os.open(tmp_path, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            refused.append(command[0])
        finally:
            os.close(handle)
        return 1

    with pytest.raises(BuildError):
        build(BuildRequest(build_dir=tmp_path), run=tool)
    assert refused == ["cmake"]


def test_a_missing_tool_is_named_with_its_package() -> None:
    """One sentence that says how to get it."""
    with pytest.raises(
        BuildError,
        match=r"'ninja' was not found on PATH; scripts/setup\.sh installs it "
        r"\(Debian package ninja-build\)",
    ):
        find_tools(lambda tool: None if tool == "ninja" else f"/usr/bin/{tool}")


def test_an_unknown_board_is_answered_with_the_known_ones() -> None:
    """Names come from templates/boards."""
    with pytest.raises(
        UsageError, match=r"no board 'toaster'; expected a \.yml file or one of .*nrf52"
    ):
        board_path("toaster")


def test_a_board_can_be_a_file() -> None:
    """Anything that ends like YAML."""
    assert board_path("my/board.yml") == Path("my/board.yml")


def test_the_version_must_fit_32_bits(tmp_path: Path) -> None:
    """Before anything is run."""
    request = BuildRequest(build_dir=tmp_path, app_version=2**32)
    with pytest.raises(
        UsageError, match="expected an application version from 0 to 4294967295, got 42"
    ):
        configure_command(request, tmp_path)


def test_cmake_gets_version_and_extra_arguments(tmp_path: Path) -> None:
    """Extra arguments come last, so that they win."""
    request = BuildRequest(
        build_dir=tmp_path, app_version=7, cmake_args=("-DAPP_CONFIRM=OFF",)
    )
    command = configure_command(request, tmp_path)
    assert command[-2:] == ["-DAPP_VERSION=7", "-DAPP_CONFIRM=OFF"]
    assert "-GNinja" in command


def test_cmake_that_cannot_configure_is_an_error(tmp_path: Path) -> None:
    """Nothing is compiled then, and the next run configures again."""
    tools = Tools(1)
    with pytest.raises(BuildError, match="CMake could not configure"):
        build(BuildRequest(build_dir=tmp_path), run=tools)
    assert len(tools.calls) == 1
    assert not (tmp_path / "generated/configure.json").exists()


def test_a_failed_compilation_is_an_error(tmp_path: Path) -> None:
    """The compiler's own words are above."""
    with pytest.raises(BuildError, match=r"the build in .* failed"):
        build(BuildRequest(build_dir=tmp_path), run=Tools(0, 1))


def test_cmake_configures_only_when_something_changed(tmp_path: Path) -> None:
    """Second run: the build tool only. Other arguments: configure again."""
    request = BuildRequest(build_dir=tmp_path, app_version=1)
    for expected, asked in (
        (2, request),
        (1, request),
        (2, replace(request, app_version=2)),
    ):
        tools = Tools(*([0] * (expected - 1)), 1)
        with pytest.raises(BuildError, match="failed"):
            build(asked, run=tools)
        assert len(tools.calls) == expected
        (tmp_path / "build.ninja").touch()


def image(**changes: object) -> ImageSize:
    """A bootloader that fits."""
    report = StackReport(
        frames={"main": 100, "a.c:f": 24}, worst=124, path=("main", "f")
    )
    size = ImageSize(
        region="bootloader", flash=15000, ram=50000, stack_reserved=4096, stack=report
    )
    return replace(size, **changes)  # type: ignore[arg-type]


def test_an_image_over_its_budget_is_an_error() -> None:
    """The budget, not the region, is the limit."""
    layout = load_layout(default_layout_path())
    check(image(), layout)
    with pytest.raises(BuildError, match="16385 bytes is 1 bytes over the budget"):
        check(image(flash=16385), layout)


def test_too_much_ram_is_an_error() -> None:
    """Named with the excess."""
    layout = load_layout(default_layout_path())
    room = layout.ram_region("image").size
    with pytest.raises(
        BuildError, match=f"bootloader takes {room + 4} bytes of RAM, 4 more than"
    ):
        check(image(ram=room + 4), layout)


def test_too_little_stack_is_an_error_with_the_path() -> None:
    """So that one sees what to change."""
    layout = load_layout(default_layout_path())
    with pytest.raises(
        BuildError,
        match="bootloader may need 124 bytes of stack, reserved are 100: main -> f",
    ):
        check(image(stack_reserved=100), layout)


def test_the_table_shows_every_number() -> None:
    """Flash, limit, share, RAM, stack and the largest frame."""
    layout = load_layout(default_layout_path())
    line = table((image(),), layout)[1]
    assert line.split() == [
        *("bootloader", "15000", "16384", "91%", "50000", "124", "4096"),
        *("main", "100"),
    ]


def test_the_stack_report_lists_functions_by_frame() -> None:
    """Largest first, after the deepest path."""
    assert stack_lines(image()) == [
        "bootloader: deepest path 124 bytes: main -> f",
        "    100  main",
        "     24  f",
    ]
