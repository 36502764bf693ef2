# SPDX-License-Identifier: Apache-2.0
"""Builds boot record, bootloader and application.

Rule 1: what is rendered from the layout goes to `BUILD/generated` before CMake
        runs; an unchanged file is not touched, so nothing is built again.
Rule 2: CMake is asked to configure only when it must: first time, or other
        arguments than last time.
Rule 3: the application of a fleet is built with that fleet's cloud file, else the
        standalone sample is; a certificate that is missing stops the build before
        it begins.
Rule 4: tools are run through `run`, so that a test can stand in for them.

    result = build(BuildRequest(build_dir=Path("build")))
"""

from __future__ import annotations

import datetime
import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nrfota import DEFAULT_BOARD, size
from nrfota.board import Board, default_board_path, load_board
from nrfota.cloud.config import remove_config, write_config
from nrfota.cloud.files import check_device_files
from nrfota.cloud.profile import CloudProfile, load_cloud
from nrfota.errors import BuildError, UsageError
from nrfota.layout import Layout, default_layout_path, load_layout
from nrfota.outputs import locked
from nrfota.render import render_all, write_if_changed
from nrfota.size import ImageSize
from nrfota.stack import find_call_graphs

IMAGES = ("mbr", "bootloader", "app")
MAX_VERSION = 0xFFFF_FFFF

# Tool -> Debian package that has it.
TOOLS = {
    "cmake": "cmake",
    "ninja": "ninja-build",
    "arm-none-eabi-gcc": "gcc-arm-none-eabi",
}

Run = Callable[[Sequence[str]], int]


@dataclass(frozen=True)
class BuildRequest:
    """What to build, from what, where."""

    build_dir: Path
    board: str = DEFAULT_BOARD  # a name in templates/boards, or a .yml file
    layout: Path | None = None
    app_version: int | None = None
    cloud: Path | None = None  # the fleet's cloud file; None: no cloud
    cmake_args: tuple[str, ...] = ()
    source_dir: Path = field(
        default_factory=lambda: Path(__file__).resolve().parents[2]
    )


@dataclass(frozen=True)
class BuildResult:
    """What came out."""

    layout: Layout
    images: tuple[ImageSize, ...]
    memory_map: Path


def run_tool(command: Sequence[str]) -> int:
    """Runs a tool with our own stdout; returns its exit code."""
    return subprocess.run(command, check=False).returncode


def find_tools(which: Callable[[str], str | None] = shutil.which) -> None:
    """BuildError naming the first tool that is missing."""
    for tool, package in TOOLS.items():
        if which(tool) is None:
            raise BuildError(
                f"'{tool}' was not found on PATH; scripts/setup.sh installs it "
                f"(Debian package {package})"
            )


def board_path(board: str) -> Path:
    """The file of a board given by name or as a file."""
    if board.endswith((".yml", ".yaml")):
        return Path(board)
    path = default_board_path(board)
    if not path.is_file():
        known = ", ".join(sorted(item.stem for item in path.parent.glob("*.yml")))
        raise UsageError(f"no board '{board}'; expected a .yml file or one of {known}")
    return path


def build(
    request: BuildRequest,
    *,
    run: Run = run_tool,
    on_note: Callable[[str], None] = lambda text: None,
) -> BuildResult:
    """Renders, configures, compiles, measures; BuildError when an image is too big.

    A second build in the same directory waits for the first. `on_note` hears what
    the owner of the certificates should know.
    """
    cloud = _load_cloud(request.cloud, on_note)
    find_tools()
    layout = load_layout(request.layout or default_layout_path())
    board = load_board(board_path(request.board))
    build_dir = request.build_dir.resolve()
    build_dir.mkdir(parents=True, exist_ok=True)
    with locked({build_dir}):
        generated = build_dir / "generated"
        render_all(layout, board, generated)
        if cloud is None:
            remove_config(generated)
        else:
            write_config(cloud, generated)
            if cloud.login is not None:
                _close(build_dir / "app")
        return _build(request, layout, board, build_dir, run=run)


def _close(folder: Path) -> None:
    """Objects, ELF and HEX of the application hold the fleet's password."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o700)


def _load_cloud(
    path: Path | None, on_note: Callable[[str], None]
) -> CloudProfile | None:
    """The cloud file, once its certificates are known to be there."""
    if path is None:
        return None
    cloud = load_cloud(path)
    now = datetime.datetime.now(datetime.UTC)
    for notice in check_device_files(cloud, now=now).notices:
        on_note(notice)
    return cloud


def _build(
    request: BuildRequest, layout: Layout, board: Board, build_dir: Path, *, run: Run
) -> BuildResult:
    generated = build_dir / "generated"
    _configure(request, build_dir, run)
    if run(["cmake", "--build", str(build_dir)]) != 0:
        raise BuildError(
            f"the build in {build_dir} failed; the compiler said why above"
        )
    images = tuple(_measure(name, build_dir, layout) for name in IMAGES)
    used = {image.region: image.flash for image in images}
    render_all(layout, board, generated, used=used)
    for image in images:
        size.check(image, layout)
    return BuildResult(
        layout=layout, images=images, memory_map=generated / "memory_map.txt"
    )


def configure_command(request: BuildRequest, build_dir: Path) -> list[str]:
    """CMake's command line."""
    command = [
        "cmake",
        f"-S{request.source_dir}",
        f"-B{build_dir}",
        "-GNinja",
        "-Wno-dev",
        "--log-level=WARNING",
        f"-DCMAKE_TOOLCHAIN_FILE={request.source_dir}/cmake/"
        "toolchain-arm-none-eabi.cmake",
        f"-DAPP_CLOUD={'OFF' if request.cloud is None else 'ON'}",
    ]
    if request.app_version is not None:
        if not 0 <= request.app_version <= MAX_VERSION:
            raise UsageError(
                f"expected an application version from 0 to {MAX_VERSION}, got "
                f"{request.app_version}"
            )
        command.append(f"-DAPP_VERSION={request.app_version}")
    return [*command, *request.cmake_args]


def _configure(request: BuildRequest, build_dir: Path, run: Run) -> None:
    command = configure_command(request, build_dir)
    record = build_dir / "generated" / "configure.json"
    text = json.dumps(command, indent=1)
    if (build_dir / "build.ninja").is_file() and _read(record) == text:
        return
    record.unlink(missing_ok=True)
    if run(command) != 0:
        raise BuildError(f"CMake could not configure {build_dir}; it said why above")
    write_if_changed(record, text)


def _measure(name: str, build_dir: Path, layout: Layout) -> ImageSize:
    elf = build_dir / name / f"{name}.elf"
    if not elf.is_file():
        raise BuildError(f"the build made no {elf}")
    graphs = find_call_graphs(build_dir / name / "CMakeFiles" / f"{name}.dir")
    return size.measure(
        elf,
        region=name,
        layout=layout,
        call_graphs=[path.read_text() for path in graphs],
    )


def _read(path: Path) -> str:
    return path.read_text() if path.is_file() else ""
