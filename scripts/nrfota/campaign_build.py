# SPDX-License-Identifier: Apache-2.0
"""Builds the images that the stories of `west ota-test` need.

Each variant of the application has a build directory of its own below
`BUILD/ota-test`; boot record and bootloader come from the user's own build.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import replace

from nrfota.board import load_board
from nrfota.build import BuildRequest, board_path, build
from nrfota.campaign_parts import Firmware, Program
from nrfota.errors import BuildError, UsageError
from nrfota.image import build_image
from nrfota.layout import Layout, default_layout_path, load_layout
from nrfota.outputs import read_input
from nrfota.package import read_segments

IMAGE_SIZE = 16 * 1024
# SoftDevice S140 takes 0x1000..0x26FFF (SoftDevice specification, memory map).
SOFTDEVICE_SIZE = 0x26000
_CODE_MAX = 7 * 1024  # the sample application without padding is smaller
_FAULT = ("-DAPP_CONFIRM=OFF", "-DAPP_FAULT=lockup")
_HANG = ("-DAPP_CONFIRM=OFF", "-DAPP_HANG=ON")


def _quiet(command: Sequence[str]) -> int:
    """Runs a tool; its output is shown only when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout + done.stderr)
    return done.returncode


def build_firmware(request: BuildRequest, *, image_size: int = IMAGE_SIZE) -> Firmware:
    """Everything for the stories, from `request`'s build directory and sources.

    The application is padded to `image_size` bytes, a multiple of the page size.
    """
    folder = request.build_dir
    missing = [
        path
        for path in (folder / "mbr/mbr.elf", folder / "bootloader/bootloader.elf")
        if not path.is_file()
    ]
    if missing:
        raise UsageError(
            f"expected boot record and bootloader in '{folder}', got no {missing[0]}; "
            f"build them with: west ota-build -d {folder}"
        )
    _check_size(load_layout(request.layout or default_layout_path()), image_size)
    layout, old = _program(request, 1, image_size=image_size)
    _, new = _program(request, 2, image_size=image_size)
    _, older = _program(request, 3, image_size=image_size)
    _, hanging = _program(request, 4, image_size=image_size, extra=_HANG)
    _, faulting = _program(request, 5, image_size=image_size, extra=_FAULT)
    return Firmware(
        layout=layout,
        wiring=load_board(board_path(request.board)),
        mbr=read_segments(folder / "mbr/mbr.elf", read=read_input),
        bootloader=read_segments(folder / "bootloader/bootloader.elf", read=read_input),
        old=old,
        new=new,
        older=older,
        hanging=hanging,
        faulting=faulting,
        large_old=_large(old),
        large_new=_large(new),
        large_faulting=_large(faulting),
    )


def _check_size(layout: Layout, size: int) -> None:
    page = layout.flash.page
    if size % page or not 2 * page <= size <= layout.flash_region("app").size:
        raise UsageError(
            f"image size: expected a multiple of {page} from {2 * page} to "
            f"{layout.flash_region('app').size}, got {size}"
        )


def _program(
    request: BuildRequest, version: int, *, image_size: int, extra: tuple[str, ...] = ()
) -> tuple[Layout, Program]:
    """Builds the application with `version`, padded to `image_size`."""
    name = f"app-{version}-{image_size}"
    folder = request.build_dir / "ota-test" / name
    pad = max(0, image_size - _CODE_MAX) // 4 * 4
    variant = replace(
        request,
        build_dir=folder,
        app_version=version,
        cmake_args=(*request.cmake_args, f"-DAPP_PAD_BYTES={pad}", *extra),
    )
    layout = build(variant, run=_quiet).layout
    segments = read_segments(folder / "app/app.elf", read=read_input)
    plain = build_image(segments, layout=layout).plain
    if len(plain) > image_size:
        raise BuildError(
            f"the sample application: expected at most {image_size} bytes, got "
            f"{len(plain)}"
        )
    # Filled up with bytes that differ from version to version.
    fill = bytes([0x80 + version]) * (image_size - len(plain))
    return layout, Program(version, plain + fill)


def _large(program: Program) -> Program:
    """The program with as many bytes as a SoftDevice behind it, equal in all."""
    page = bytes(range(256)) * 16
    return Program(program.version, program.plain + page * (SOFTDEVICE_SIZE // 4096))
