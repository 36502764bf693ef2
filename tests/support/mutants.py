# SPDX-License-Identifier: Apache-2.0
"""Firmware for campaigns: the project's own, and deliberately broken variants."""

from __future__ import annotations

import dataclasses
import functools
import shutil
import subprocess
from pathlib import Path

from nrfota.build import BuildRequest, build
from nrfota.campaign_build import build_firmware
from nrfota.campaign_parts import Firmware
from nrfota.outputs import read_input
from nrfota.package import read_segments
from support.firmware import ROOT, build_dir

MUTANTS = ROOT / "tests/mutants"
_SOURCES = ("app", "bootloader", "cmake", "templates", "CMakeLists.txt")


@functools.cache
def firmware(image_size: int) -> Firmware:
    """Images for all stories, built from the sources as they are."""
    return build_firmware(BuildRequest(build_dir=build_dir()), image_size=image_size)


def mutant(name: str, folder: Path, *, image_size: int) -> Firmware:
    """The same with boot record and bootloader from sources that a patch broke."""
    source = folder / "source"
    source.mkdir()
    for item in _SOURCES:
        place = ROOT / item
        if place.is_dir():
            shutil.copytree(place, source / item)
        else:
            shutil.copy(place, source / item)
    patch = MUTANTS / f"{name}.patch"
    done = subprocess.run(
        ["patch", "-p1", "--no-backup-if-mismatch", "-i", str(patch)],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{patch} does not apply any more:\n{done.stdout}"
    built = folder / "build"
    build(
        BuildRequest(build_dir=built, source_dir=source),
        run=lambda command: (
            subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode
        ),
    )
    return dataclasses.replace(
        firmware(image_size),
        mbr=read_segments(built / "mbr/mbr.elf", read=read_input),
        bootloader=read_segments(built / "bootloader/bootloader.elf", read=read_input),
    )
