# SPDX-License-Identifier: Apache-2.0
"""`nrfota.render` and `nrfota.memory_map`: the rendered files.

The golden files are what the shipped templates made. After a wanted change, look
at the difference and write them again:

    PYTHONPATH=tests .venv/bin/python tests/unit/test_render.py
"""

from __future__ import annotations

import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from nrfota import memory_map
from nrfota.errors import BuildError, UsageError
from nrfota.layout import parse_layout
from nrfota.render import default_templates, render, render_all
from support.layouts import LAYOUT, board, changed, layout

GOLDEN = Path(__file__).resolve().parents[1] / "vectors" / "golden"
USED = {"mbr": 1000, "bootloader": 15000, "app": 300000}


def outputs() -> dict[str, str]:
    return render(layout(), board(), used=USED)


@pytest.mark.parametrize("name", sorted(outputs()))
def test_output_equals_its_golden_file(name: str) -> None:
    """A change of a template shows up in review."""
    assert outputs()[name] == (GOLDEN / name).read_text()


def test_no_golden_file_is_left_over() -> None:
    """Each belongs to an output."""
    assert {path.name for path in GOLDEN.iterdir()} == set(outputs())


def test_unchanged_files_are_not_touched(tmp_path: Path) -> None:
    """Or a build would start again."""
    paths = render_all(layout(), board(), tmp_path)
    before = {path: path.stat().st_mtime_ns for path in paths}
    inodes = {path: path.stat().st_ino for path in paths}
    render_all(layout(), board(), tmp_path, used={"app": 4096})
    changed_files = {path.name for path in paths if path.stat().st_ino != inodes[path]}
    assert changed_files == {"memory_map.svg", "memory_map.txt"}
    assert all(
        path.stat().st_mtime_ns == before[path]
        for path in paths
        if path.name not in changed_files
    )
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in paths}


def test_undefined_name_in_a_template_is_an_error(tmp_path: Path) -> None:
    """Never an empty string."""
    shutil.copytree(default_templates(), tmp_path / "t")
    (tmp_path / "t" / "layout.cmake.j2").write_text("{{ flash.app.begin }}")
    with pytest.raises(BuildError, match=r"template 'layout.cmake.j2': .* 'begin'"):
        render(layout(), board(), templates=tmp_path / "t")


def test_missing_template_is_an_error(tmp_path: Path) -> None:
    """Named."""
    with pytest.raises(BuildError, match=r"template 'mbr_memory.ld.j2': "):
        render(layout(), board(), templates=tmp_path)


def test_board_for_another_chip_is_refused() -> None:
    """Layout and board belong together."""
    with pytest.raises(UsageError, match="has chip 'nrf52833', but the layout is for "):
        render(layout(), replace(board(), chip="nrf52833"))


def test_header_compiles_and_says_what_the_layout_says(tmp_path: Path) -> None:
    """The compiler sees the same numbers."""
    render_all(layout(), board(), tmp_path)
    regions = [
        f'_Static_assert(OTA_{region.name.upper()}_START == {region.start}u, "");'
        for region in layout().flash_regions
    ]
    source = tmp_path / "t.c"
    source.write_text(
        '#include "memory_layout.h"\n#include "board_config.h"\n'
        "static const unsigned acl[OTA_ACL_COUNT][3] = {OTA_ACL_TABLE};\n"
        + "\n".join(regions)
        + "\nunsigned first(void) { return acl[0][0]; }\n"
    )
    subprocess.run(
        ["gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-c", str(source)],
        check=True,
        cwd=tmp_path,
    )


def test_layout_cmake_is_read_by_cmake(tmp_path: Path) -> None:
    """Values come through."""
    render_all(layout(), board(), tmp_path)
    script = tmp_path / "t.cmake"
    script.write_text(
        f'include("{tmp_path}/layout.cmake")\n'
        'message(STATUS "app=${OTA_APP_START} board=${OTA_BOARD}")\n'
    )
    done = subprocess.run(
        ["cmake", "-P", str(script)], check=True, capture_output=True, text=True
    )
    assert "app=0x00001000 board=nrf52840dk_sim7600e" in done.stdout


@pytest.mark.parametrize("name", ["mbr", "bootloader", "app"])
def test_linker_fragments_place_images(tmp_path: Path, name: str) -> None:
    """The ARM linker takes them; code lands at the region's start."""
    render_all(layout(), board(), tmp_path)
    (tmp_path / "t.ld").write_text(
        f"INCLUDE {name}_memory.ld\nSECTIONS {{ .text : {{ *(.text*) }} > FLASH }}\n"
    )
    (tmp_path / "t.c").write_text("void _start(void) { for (;;) { } }\n")
    subprocess.run(
        [
            "arm-none-eabi-gcc",
            "-mcpu=cortex-m4",
            "-mthumb",
            "-nostdlib",
            "-T",
            "t.ld",
            "t.c",
            "-o",
            "t.elf",
        ],
        check=True,
        cwd=tmp_path,
    )
    symbols = subprocess.run(
        ["arm-none-eabi-nm", "t.elf"],
        check=True,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    ).stdout
    start = layout().flash_region(name).start
    assert f"{start:08x} T _start" in symbols
    assert "2003fc00 A __ota_stack_top" in symbols


def test_nrf5_sdk_fragments_leave_room_for_the_softdevice() -> None:
    """An application behind S140 7.x starts at 0x27000."""
    assert "ORIGIN = 0x1000, LENGTH = 0xef000" in outputs()["nrf5_sdk_app.ld"]
    behind = outputs()["nrf5_sdk_app_s140_v7.ld"]
    assert "ORIGIN = 0x27000, LENGTH = 0xc9000" in behind


def test_pm_static_is_yaml_with_every_region() -> None:
    """Sizes, ends and addresses agree."""
    partitions = yaml.safe_load(outputs()["pm_static.yml"])
    flash = {k: v for k, v in partitions.items() if v["region"] == "flash_primary"}
    assert len(flash) == len(layout().flash_regions)
    assert flash["app"]["address"] == 0x1000
    for row in partitions.values():
        assert row["address"] + row["size"] == row["end_address"]


def test_zephyr_overlay_has_the_code_partition() -> None:
    """Chosen, and at the right place; other regions are read-only."""
    text = outputs()["zephyr.overlay"]
    assert "zephyr,code-partition = &ota_app;" in text
    assert re.search(
        r"ota_app: partition@1000 \{[^}]*0x00001000 0x000EF000>;\s*\}", text
    )
    assert text.count("read-only;") == len(layout().flash_regions) - 2


def test_zephyr_overlay_is_taken_by_the_devicetree_compiler(tmp_path: Path) -> None:
    """On a tree shaped like the DK's."""
    if shutil.which("dtc") is None:
        pytest.fail("dtc is not installed: scripts/setup.sh --tests does it")
    base = """/dts-v1/;
/ { #address-cells = <1>; #size-cells = <1>;
  chosen { zephyr,code-partition = &slot0; };
  sram0: memory@20000000 { reg = <0x20000000 0x40000>; };
  soc { #address-cells = <1>; #size-cells = <1>; ranges;
    flash-controller@4001e000 { reg = <0x4001e000 0x1000>;
      #address-cells = <1>; #size-cells = <1>;
      flash0: flash@0 { reg = <0 0x100000>;
        partitions { #address-cells = <1>; #size-cells = <1>;
          slot0: partition@c000 { reg = <0xc000 0x1000>; }; }; }; }; }; };
"""
    (tmp_path / "t.dts").write_text(base + outputs()["zephyr.overlay"])
    done = subprocess.run(
        ["dtc", "-I", "dts", "-O", "dts", "t.dts"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert "partition@1000" in done.stdout and "partition@c000" not in done.stdout


def test_picture_is_xml_with_a_box_for_every_region() -> None:
    """Also the free parts."""
    root = ElementTree.fromstring(outputs()["memory_map.svg"])
    texts = [element.text or "" for element in root.iter() if "text" in element.tag]
    for region in layout().flash_regions:
        assert any(text.startswith(f"{region.name}, ") for text in texts)


def test_gaps_are_rows_of_the_map() -> None:
    """What no region claims is shown as free."""
    text = changed(
        LAYOUT, {"flash.app": {"start": 0x2000, "size": 0x1000}, "softdevices": ...}
    )
    rows = memory_map.build(parse_layout(text), used={}).flash.rows
    free = [(row.start, row.end) for row in rows if row.free]
    assert free == [(0x3000, 0xF0000), (0x1000, 0x2000)]


def test_legend_speaks_of_images_only_when_one_is_drawn() -> None:
    """Nothing is known of them before a build."""
    assert "taken by the image" in outputs()["memory_map.svg"]
    bare = render(layout(), board())["memory_map.svg"]
    assert "taken by the image" not in bare
    assert bare.count("#2563eb") == 0


def test_used_bytes_are_shown_against_the_budget() -> None:
    """Not against the region."""
    assert "15000 of 16384 bytes (91.6 %)" in outputs()["memory_map.txt"]


if __name__ == "__main__":
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for file in GOLDEN.iterdir():
        file.unlink()
    for file_name, content in outputs().items():
        (GOLDEN / file_name).write_text(content)
