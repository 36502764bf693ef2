# SPDX-License-Identifier: Apache-2.0
"""Renders the templates: linker fragments, headers, CMake, maps.

Rule 1: `OUTPUTS` is the whole list; a file is one template. (cloud_config.h, which
        may hold a password, is `nrfota.cloud.config`'s.)
Rule 2: an undefined name in a template is an error, never an empty string.
Rule 3: a file whose content would not change is not touched, so that a build
        does not start again.

    render_all(layout, board, Path("build/generated"))
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import jinja2

from nrfota import memory_map
from nrfota.board import Board
from nrfota.errors import BuildError, UsageError
from nrfota.layout import Layout

# Output file -> template. {softdevice} stands for each SoftDevice of the layout.
OUTPUTS = {
    "mbr_memory.ld": "mbr_memory.ld.j2",
    "bootloader_memory.ld": "bootloader_memory.ld.j2",
    "app_memory.ld": "app_memory.ld.j2",
    "memory_layout.h": "memory_layout.h.j2",
    "board_config.h": "board_config.h.j2",
    "layout.cmake": "layout.cmake.j2",
    "nrf5_sdk_app.ld": "nrf5_sdk_app.ld.j2",
    "nrf5_sdk_app_{softdevice}.ld": "nrf5_sdk_app.ld.j2",
    "zephyr.overlay": "zephyr.overlay.j2",
    "pm_static.yml": "pm_static.yml.j2",
    "memory_map.svg": "memory_map.svg.j2",
    "memory_map.txt": "memory_map.txt.j2",
}


def default_templates() -> Path:
    """`templates/` of the project this package belongs to."""
    return Path(__file__).resolve().parents[2] / "templates"


def make_environment(templates: Path | None = None) -> jinja2.Environment:
    """How every template is read."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates or default_templates()),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["hex8"] = lambda value: f"0x{value:08X}"
    return environment


def render(
    layout: Layout,
    board: Board,
    *,
    templates: Path | None = None,
    used: Mapping[str, int] | None = None,
) -> dict[str, str]:
    """Every output file's name and text.

    `used` gives the bytes that images take in their flash regions, for the maps.
    Raises UsageError when board and layout are for different chips, BuildError
    when a template is broken.
    """
    if board.chip != layout.chip:
        raise UsageError(
            f"board '{board.name}' has chip '{board.chip}', but the layout is for "
            f"'{layout.chip}'"
        )
    environment = make_environment(templates)
    context = {
        "layout": layout,
        "board": board,
        "flash": {region.name: region for region in layout.flash_regions},
        "ram": {region.name: region for region in layout.ram_regions},
        "map": memory_map.build(layout, used=used or {}),
    }
    files = {}
    for name, template in OUTPUTS.items():
        variants = layout.softdevices if "{softdevice}" in name else (None,)
        for softdevice in variants:
            output = name.format(softdevice=softdevice.name if softdevice else "")
            try:
                files[output] = environment.get_template(template).render(
                    context, softdevice=softdevice
                )
            except jinja2.TemplateError as error:
                raise BuildError(f"template '{template}': {error}") from None
    return files


def render_all(
    layout: Layout,
    board: Board,
    out_dir: Path,
    *,
    templates: Path | None = None,
    used: Mapping[str, int] | None = None,
) -> tuple[Path, ...]:
    """Writes the outputs that changed to `out_dir`; returns the paths of all."""
    files = render(layout, board, templates=templates, used=used)
    out_dir.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        write_if_changed(out_dir / name, text)
    return tuple(out_dir / name for name in files)


def write_if_changed(path: Path, text: str) -> bool:
    """Replaces a file when its content differs; returns whether it did."""
    data = text.encode()
    if path.is_file() and path.read_bytes() == data:
        return False
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return True
