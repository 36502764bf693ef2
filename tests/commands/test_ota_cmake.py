# SPDX-License-Identifier: Apache-2.0
"""`cmake/ota.cmake` in a small project that is not ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from nrfota import cli
from nrfota.hexfile import write_hex
from nrfota.ota_json import OtaJson
from nrfota.render import write_if_changed
from nrfota.segment import Segment
from support.elf_builder import Elf, Section

ROOT = Path(__file__).resolve().parents[2]

PROJECT = """\
cmake_minimum_required(VERSION 3.20)
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_C_COMPILER arm-none-eabi-gcc)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
project(theirs C)
add_executable(firmware main.c)
target_compile_options(firmware PRIVATE -mcpu=cortex-m4 -mthumb)
target_link_options(firmware PRIVATE -mcpu=cortex-m4 -mthumb -nostdlib
    -T "${CMAKE_SOURCE_DIR}/their.ld")
set_target_properties(firmware PROPERTIES SUFFIX .elf)
include("%s/cmake/ota.cmake")
"""
MAIN = """\
extern const unsigned vectors[2];
int value = %d;
void reset(void) { for (;;) { value++; } }
__attribute__((section(".vectors"), used))
const unsigned vectors[2] = {0x20010000u, 0x%xu};
"""
LINKER = """\
MEMORY { FLASH (rx) : ORIGIN = 0x%x, LENGTH = 0x10000
         RAM (rwx) : ORIGIN = 0x20000008, LENGTH = 0x10000 }
ENTRY(reset)
SECTIONS { .text : { KEEP(*(.vectors)) *(.text*) } > FLASH
           .data : { *(.data*) } > RAM AT > FLASH }
"""


class Project:
    """The project's folder and what can be done with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.build = folder / "build"
        self.source(start=0x1000)

    def source(self, *, value: int = 1, start: int = 0x1000) -> None:
        (self.folder / "main.c").write_text(MAIN % (value, start + 9))
        write_if_changed(self.folder / "their.ld", LINKER % start)

    def configure(
        self, call: str, *, generator: str = "Ninja"
    ) -> subprocess.CompletedProcess[str]:
        (self.folder / "CMakeLists.txt").write_text(PROJECT % ROOT + call + "\n")
        return self.run(
            "cmake",
            "-S",
            ".",
            "-B",
            "build",
            "-G",
            generator,
            f"-DOTA_PYTHON={sys.executable}",
        )

    def make(self) -> subprocess.CompletedProcess[str]:
        return self.run("cmake", "--build", "build")

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, check=False
        )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_package_is_made_after_linking_and_again_when_the_program_changes(
    project: Project,
) -> None:
    """As part of the ordinary build; nothing happens when nothing changed."""
    call = "ota_package(firmware VERSION 7 URL https://a/b ALT_URL http://c)"
    assert project.configure(call).returncode == 0
    done = project.make()
    assert done.returncode == 0, done.stdout + done.stderr
    message = OtaJson.unpack((project.build / "ota/ota.json").read_bytes())
    assert (message.url, message.alt_url) == ("https://a/b", "http://c")
    assert (message.fw_info.version, message.fw_info.fp_base) == (7, 0x1000)
    folder = project.build / "ota"
    options = [str(folder / "ota.ebin"), "--ota-json", str(folder / "ota.json")]
    assert cli.main(["inspect", *options]) == 0

    before = (folder / "ota.json").read_bytes()
    assert "no work to do" in project.make().stdout
    project.source(value=2)
    assert project.make().returncode == 0
    again = OtaJson.unpack((folder / "ota.json").read_bytes())
    assert again.fw_info.pbin_hash != OtaJson.unpack(before).fw_info.pbin_hash


@pytest.mark.parametrize("generator", ["Ninja", "Unix Makefiles"])
def test_spaces_in_paths_and_signs_in_urls_arrive_as_written(
    tmp_path: Path, generator: str
) -> None:
    """What CMake, make or a shell would take for its own."""
    (tmp_path / "a folder").mkdir()
    project = Project(tmp_path / "a folder")
    urls = ("https://a/b;v=1?x=1&y=%41$z#'(f)*~!", "http://c/d;e")
    call = (
        f"ota_package(firmware VERSION 7 URL [[{urls[0]}]] ALT_URL [[{urls[1]}]]\n"
        '    OUTPUT_DIR "the package")'
    )
    done = project.configure(call, generator=generator)
    assert done.returncode == 0, done.stderr
    done = project.make()
    assert done.returncode == 0, done.stdout + done.stderr
    made = project.build / "the package/ota.json"
    message = OtaJson.unpack(made.read_bytes())
    assert (message.url, message.alt_url) == urls


def test_all_options_reach_the_package(project: Project) -> None:
    """SoftDevice, layout, factory.hex, another folder, no header."""
    folder = project.folder
    softdevice = [Segment(0x1000, b"softdevice" * 100, "x")]
    (folder / "sd.hex").write_text(write_hex(softdevice))
    (folder / "layout.yml").write_text((ROOT / "templates/layout.yml").read_text())
    for name, start in (("mbr", 0x0), ("bootloader", 0xF6000)):
        (folder / "boot" / name).mkdir(parents=True)
        elf = Elf((Section(".text", start, 64),)).build()
        (folder / "boot" / name / f"{name}.elf").write_bytes(elf)
    project.source(start=0x27000)
    call = (
        "ota_package(firmware VERSION 1 ALT_URL http://c SOFTDEVICE sd.hex\n"
        "  LAYOUT layout.yml FACTORY BUILD_DIR boot OUTPUT_DIR packed NO_HEADER)"
    )
    assert project.configure(call).returncode == 0
    done = project.make()
    assert done.returncode == 0, done.stdout + done.stderr
    packed = project.build / "packed"
    info = OtaJson.unpack((packed / "ota.json").read_bytes()).fw_info
    assert info.fp_base == 0x1000 and info.pbin_size > 0x26000
    assert (packed / "ota.ebin").stat().st_size == info.ebin_size
    assert cli.main(["inspect", str(packed / "factory.hex")]) == 0


def test_program_at_the_wrong_place_fails_the_build(project: Project) -> None:
    """With the sentence of the package command."""
    project.source(start=0x5000)
    project.configure("ota_package(firmware VERSION 7 URL https://a/b)")
    done = project.make()
    assert done.returncode != 0
    assert "expected it at 0x00001000 (region 'app')" in done.stdout + done.stderr
    assert list((project.build / "ota").glob("*")) == []


BAD = {
    "no_version": ("firmware URL http://a", "ota_package: VERSION is missing"),
    "no_url": ("firmware VERSION 1", "ota_package: URL or ALT_URL is missing"),
    "unknown_argument": (
        "firmware VERSION 1 URL http://a SPEED 9",
        "ota_package: unknown argument 'SPEED;9'",
    ),
    "no_value": (
        "firmware URL http://a VERSION",
        "ota_package: expected a value after VERSION",
    ),
    "no_target": ("nothing VERSION 1 URL http://a", "'nothing' is not a target"),
    "factory_alone": (
        "firmware VERSION 1 URL http://a FACTORY",
        "ota_package: FACTORY needs BUILD_DIR",
    ),
    "build_dir_alone": (
        "firmware VERSION 1 URL http://a BUILD_DIR x",
        "ota_package: BUILD_DIR is of use only with FACTORY",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_call_stops_the_configuration(project: Project, case: str) -> None:
    """Each mistake has its sentence."""
    arguments, message = BAD[case]
    done = project.configure(f"ota_package({arguments})")
    assert done.returncode != 0
    assert message in " ".join(done.stderr.split())


def test_library_is_refused(project: Project) -> None:
    """Only what was linked can be packed."""
    call = "add_library(lib STATIC main.c)\nota_package(lib VERSION 1 URL http://a)"
    done = project.configure(call)
    expected = "expected an executable, 'lib' is a STATIC_LIBRARY"
    assert expected in " ".join(done.stderr.split())


def test_python_without_the_packages_is_refused(project: Project) -> None:
    """Says what is missing and what was tried."""
    python = project.folder / "python"
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    (project.folder / "CMakeLists.txt").write_text(
        PROJECT % ROOT + "ota_package(firmware VERSION 1 URL http://a)\n"
    )
    done = project.run(
        "cmake", "-S", ".", "-B", "build", "-G", "Ninja", f"-DOTA_PYTHON={python}"
    )
    text = " ".join(done.stderr.split())
    assert "expected a Python with PyYAML and cryptography" in text
    assert "set OTA_PYTHON" in text


CLIENT_MAIN = """\
#include "update_client.h"
struct update_client client;
struct sim7600_mqtt mqtt;
struct at at;
void start(const struct update_client_config *config);
void start(const struct update_client_config *config)
{
    update_client_init(&client, config);
    for (;;) { update_client_step(&client); }
}
"""


@pytest.mark.parametrize("kind", ["executable", "library"])
def test_update_client_is_compiled_into_their_target(
    project: Project, kind: str
) -> None:
    """With the target's own flags; all that it calls is there but the C library."""
    (project.folder / "client.c").write_text(CLIENT_MAIN)
    if kind == "library":
        call = (
            "add_library(ota STATIC client.c)\n"
            "target_compile_options(ota PRIVATE -mcpu=cortex-m4 -mthumb -Os -Wall\n"
            "    -Wextra -Wconversion -Wshadow -Werror)\n"
            "ota_update_client(ota)"
        )
        target = "libota.a"
    else:
        call = (
            "add_executable(product client.c)\n"
            "target_compile_options(product PRIVATE -mcpu=cortex-m4 -mthumb -Os)\n"
            "target_link_options(product PRIVATE -mcpu=cortex-m4 -mthumb\n"
            "    --specs=nano.specs -nostartfiles -Wl,-e,start)\n"
            "ota_update_client(product)"
        )
        target = "product"
    done = project.configure(call)
    assert done.returncode == 0, done.stderr
    done = project.make()
    assert done.returncode == 0, done.stdout + done.stderr
    names = project.run("arm-none-eabi-nm", f"build/{target}").stdout
    for name in ("update_client_step", "sim7600_http_fetch", "boot_request_write"):
        assert f" T {name}\n" in names
    assert "malloc" not in names


CLIENT_BAD = {
    "no_target": ("nothing", "ota_update_client: 'nothing' is not a target"),
    "unknown_argument": (
        "firmware FAST",
        "ota_update_client: unknown argument 'FAST'",
    ),
    "no_jsmn": (
        "firmware JSMN /nowhere",
        "ota_update_client: jsmn.h was not found; scripts/setup.sh installs it",
    ),
}


@pytest.mark.parametrize("case", CLIENT_BAD)
def test_bad_call_for_the_client_stops_the_configuration(
    project: Project, case: str
) -> None:
    """Each mistake has its sentence."""
    arguments, message = CLIENT_BAD[case]
    done = project.configure(f"ota_update_client({arguments})")
    assert done.returncode != 0
    assert message in " ".join(done.stderr.split())
