# SPDX-License-Identifier: Apache-2.0
"""The repository keeps its own rules: arrows, sizes, licences, links."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE_SUFFIXES = {".py", ".c", ".h", ".S", ".s", ".sh", ".cmake", ".j2", ".yml", ".ld"}
MAX_LINES = 600

# C: who may include whose headers (DESIGN.md, "Arrows"). A folder may always
# include its own.
C_ARROWS = {
    "bootloader/include": (),
    "bootloader/lib": ("bootloader/include",),
    "bootloader/src": ("bootloader/include", "bootloader/lib"),
    "bootloader/ports": ("bootloader/include", "bootloader/lib", "bootloader/src"),
    "bootloader/mbr": ("bootloader/include", "bootloader/lib"),
    "app": ("bootloader/include", "bootloader/lib"),
}


def tracked_files() -> list[Path]:
    """Files git tracks or would track."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    paths = [ROOT / line for line in listing.splitlines()]
    return [path for path in paths if path.is_file()]


def imported_modules(path: Path) -> set[str]:
    """Top-level names that a Python file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return names


def python_files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def test_vboard_imports_nothing_of_ours() -> None:
    """The judge shares no code with what it judges."""
    bad = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in python_files("scripts/vboard")
        for name in imported_modules(path)
        if name.split(".")[0] == "nrfota"
    ]
    assert bad == []


def test_only_the_sim_runner_and_the_sim_command_import_vboard() -> None:
    """nrfota reaches the virtual board through its runners, as it does a probe."""
    allowed = {
        "scripts/nrfota/runners/campaign.py",
        "scripts/nrfota/runners/sim.py",
        "scripts/nrfota/cli/sim.py",
    }
    users = {
        str(path.relative_to(ROOT))
        for path in python_files("scripts/nrfota")
        for name in imported_modules(path)
        if name.split(".")[0] == "vboard"
    }
    assert users <= allowed


def test_only_cpu_imports_unicorn() -> None:
    """The GPL-2 extra stays behind one file."""
    users = {
        path.name
        for path in python_files("scripts")
        for name in imported_modules(path)
        if name.split(".")[0] == "unicorn"
    }
    assert users == {"cpu.py"}


def test_library_does_not_import_commands() -> None:
    """Commands call the library, never the other way round."""
    bad = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in python_files("scripts/nrfota")
        if path.parent.name != "cli" and path.name != "__main__.py"
        for name in imported_modules(path)
        if name.startswith("nrfota.cli")
    ]
    assert bad == []


def c_area(path: Path) -> str | None:
    relative = str(path.relative_to(ROOT))
    return next((area for area in C_ARROWS if relative.startswith(area + "/")), None)


def test_c_includes_follow_the_arrows() -> None:
    """main -> engine -> ports.h <- ports; app -> include + lib; never back."""
    headers: dict[str, list[str]] = {}
    for area in C_ARROWS:
        for header in (ROOT / area).rglob("*.h"):
            relative = header.relative_to(ROOT / area)
            for tail in range(len(relative.parts)):
                headers.setdefault("/".join(relative.parts[tail:]), []).append(area)
    bad = []
    for area, allowed in C_ARROWS.items():
        for path in sorted((ROOT / area).rglob("*.[ch]")):
            for name in re.findall(r'^\s*#include "([^"]+)"', path.read_text(), re.M):
                owners = headers.get(name.removeprefix("../"), [])
                if owners and not any(o == area or o in allowed for o in owners):
                    bad.append(f"{path.relative_to(ROOT)} includes {name}")
    assert bad == []


def test_engine_has_no_conditional_compilation() -> None:
    """A variant is another file, not an #if."""
    bad = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sorted((ROOT / "bootloader/src").glob("*.[ch]"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.match(r"\s*#\s*(if|ifdef|elif)\b", line)
    ]
    assert bad == []


def test_every_source_file_names_its_licence() -> None:
    """SPDX in the first lines of every file that can hold a comment."""
    bad = [
        str(path.relative_to(ROOT))
        for path in tracked_files()
        if path.suffix in SOURCE_SUFFIXES or path.suffix == ".md"
        if "tests/vectors" not in str(path)
        if "SPDX-License-Identifier: Apache-2.0" not in path.read_text()[:2500]
    ]
    assert bad == []


def test_files_stay_small() -> None:
    """Small enough to hold in the head."""
    bad = [
        str(path.relative_to(ROOT))
        for path in tracked_files()
        if path.suffix in {".py", ".c", ".h", ".sh", ".cmake"}
        if len(path.read_text().splitlines()) > MAX_LINES
    ]
    assert bad == []


@pytest.mark.parametrize("name", ["README.md", "DESIGN.md", "CONTRIBUTING.md"])
def test_links_point_to_files_that_exist(name: str) -> None:
    """A document's relative links and back-quoted paths resolve."""
    text = (ROOT / name).read_text()
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    bad = [link for link in links if not (ROOT / link).exists()]
    assert bad == []


def test_spec_steps_equal_the_engine() -> None:
    """SPEC.md section 7.3 and the engine's enum agree."""
    spec = (ROOT / "SPEC.md").read_text()
    section = spec.split("### 7.3 Steps")[1].split("###")[0]
    documented = {
        name: int(value) for value, name in re.findall(r"\| (\d+) \| (\w+) \|", section)
    }
    sources = "\n".join(
        path.read_text()
        for folder in ("bootloader/src", "bootloader/include")
        for path in (ROOT / folder).rglob("*.h")
    )
    in_code = {
        name: int(value)
        for name, value in re.findall(r"OTA_STEP_([A-Z_]+)\s*=\s*(\d+)", sources)
    }
    assert in_code == documented


def test_tests_do_not_depend_on_files_outside_the_project() -> None:
    """A user has only the clone."""
    outside = re.compile(r"\.\./" + "shared")
    bad = [
        str(path.relative_to(ROOT))
        for path in tracked_files()
        if path.suffix in SOURCE_SUFFIXES and outside.search(path.read_text())
    ]
    assert bad == []
