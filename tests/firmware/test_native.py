# SPDX-License-Identifier: Apache-2.0
"""Build the update engine for the host and run its C tests, with sanitizers.

Each C test program is one test here, except the power cuts, where each scenario
is; the names of the C tests are in the output. A test program that ran fewer
tests than its source lists fails.
"""

import re
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SOURCES = sorted(HERE.glob("test_*.c"))
LISTED = re.compile(
    r"^\s+(?:TEST|cmocka_unit_test(?:_setup_teardown)?)\(\s*(\w+)", re.M
)


def listed_tests(source: Path) -> list[str]:
    """Names of the C tests that a source hands to cmocka."""
    return LISTED.findall(source.read_text())


def cases() -> list[tuple[str, str]]:
    """(program, test name or empty for all) for each test here."""
    found = []
    for source in SOURCES:
        if source.stem == "test_cuts":
            found += [(source.stem, name) for name in listed_tests(source)]
        else:
            found.append((source.stem, ""))
    return found


@pytest.fixture(scope="session")
def native_build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Configure and build the native tests; return the build folder."""
    build = tmp_path_factory.mktemp("native")
    for command in (
        ["cmake", "-G", "Ninja", "-S", str(HERE), "-B", str(build)],
        ["cmake", "--build", str(build)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return build


@pytest.mark.parametrize(
    ("program", "only"), cases(), ids=lambda part: part.removeprefix("test_") or "all"
)
def test_native(native_build: Path, program: str, only: str) -> None:
    """Every C test of the program passes, and none is left out."""
    wanted = [only] if only else listed_tests(HERE / f"{program}.c")
    done = subprocess.run(
        [str(native_build / program), *([only] if only else [])],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    output = done.stdout + done.stderr
    print(output)
    passed = re.findall(r"\[ +OK \] (\w+)", output)
    assert done.returncode == 0, output
    assert sorted(wanted) == sorted(passed)


def test_every_program_lists_tests() -> None:
    """A C test program without tests would pass for nothing."""
    assert SOURCES
    assert all(listed_tests(source) for source in SOURCES)


def test_the_design_has_a_row_for_every_step() -> None:
    """DESIGN.md's table, the engine's enum and its dispatcher name the same steps."""
    root = HERE.parents[1]
    section = (root / "DESIGN.md").read_text().split("## Update engine")[1]
    table = section.split("| step |")[1].split("\n\n")[0]
    rows = re.findall(r"^\| ([A-Z_]+) \|(.*)\|$", table, re.M)
    names = [name for name, _ in rows]
    assert len(names) == len(set(names))
    for name, rest in rows:
        cells = [cell.strip() for cell in rest.split("|")]
        assert len(cells) == 3, name  # effect, what is in flash, what a reset does
        assert all(cells), name
    source = root / "bootloader/src"
    header = (root / "bootloader/include/ota/boot_status.h").read_text()
    steps = set(re.findall(r"OTA_STEP_([A-Z_]+) =", header))
    # Single journal writes, never stored as a step: a function each.
    assert "void boot_accept(" in (source / "accept.c").read_text()
    assert "enum boot_state commit(" in (source / "trial.c").read_text()
    assert set(names) == steps | {"ACCEPT", "COMMIT"}
    cases = set(re.findall(r"case BOOT_([A-Z_]+):", (source / "boot.c").read_text()))
    assert cases == steps | {"READY", "STOPPED"}
