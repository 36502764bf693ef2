# SPDX-License-Identifier: Apache-2.0
"""A report of `nrfota.inspect` as plain text for a person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nrfota.inspect import Report

TITLES = {
    "ebin": "encrypted image (ota.ebin)",
    "ota.json": "update message (ota.json)",
    "fw_info": "fw_info",
    "hex": "HEX file",
    "elf": "ELF file",
    "flash": "flash dump",
}
HEX_FIELDS = ("fp_base", "resetreas", "token")


def to_text(report: Report) -> str:
    """The report in lines of text."""
    fields = report.fields
    lines = [TITLES[report.kind]]
    for name in ("form", "file_size", "url", "alt_url"):
        if name in fields:
            lines.append(f"  {name:12} {fields[name] or '-'}")
    if "fw_info" in fields:
        lines += _indent(_fw_info(fields["fw_info"]), 2)
    if "regions" in fields:
        lines += _flash(fields)
    if report.checks:
        lines += ["", "checks"]
        for check in report.checks:
            mark = "ok  " if check.ok else "FAIL"
            lines.append(f"  {mark}  {check.name:14} {check.detail}")
    return "\n".join(lines) + "\n"


def _indent(lines: Iterator[str], width: int) -> list[str]:
    return [" " * width + line for line in lines]


def _fw_info(info: dict[str, Any]) -> Iterator[str]:
    for name, value in info.items():
        if value is None:
            text = "not in this file"
        elif name in HEX_FIELDS:
            text = f"0x{value:08x}"
        else:
            text = str(value)
        yield f"{name:12} {text}"


def _flash(fields: dict[str, Any]) -> Iterator[str]:
    yield ""
    yield "regions"
    for region in fields["regions"]:
        used = f"{region['used']} of {region['size']}" if region["used"] else "blank"
        vectors = fields["vectors"].get(region["name"])
        start = (
            f"  stack 0x{vectors['stack']:08x} reset 0x{vectors['reset']:08x}"
            if vectors
            else ""
        )
        line = f"  0x{region['start']:08x}  {region['name']:14} {used:18}{start}"
        yield line.rstrip()
    yield ""
    yield "boot words"
    for name, value in fields["boot_words"].items():
        yield f"  {name:16} {'blank' if value is None else f'0x{value:08x}'}"
    if fields["confirm_token"] is not None:
        yield f"  confirm token    0x{fields['confirm_token']:08x}"
    yield from _journal(fields["journal"])


def _journal(journal: dict[str, Any]) -> Iterator[str]:
    pages = journal["pages"]
    if all(page["problem"] == "blank" for page in pages):
        return
    for index, page in enumerate(pages):
        yield ""
        active = " (active)" if index == journal["active"] else ""
        if not page["usable"]:
            yield f"journal page {index}: {page['problem']}"
            continue
        sealed = "sealed" if page["sealed"] else "not sealed"
        yield f"journal page {index}{active}: sequence {page['sequence']}, {sealed}"
        for record in page["records"]:
            yield from _record(record)
        if not page["clean"]:
            yield "  bytes behind the last valid record are not blank"


def _record(record: dict[str, Any]) -> Iterator[str]:
    values = {
        name: value
        for name, value in record.items()
        if name not in ("offset", "type", "fw_info")
    }
    parts = []
    for name, value in values.items():
        text = f"0x{value:08x}" if name in HEX_FIELDS else str(value)
        parts.append(f"{name} {'not in the modem' if value is None else text}")
    info = record.get("fw_info")
    if info is not None:
        parts.insert(0, f"version {info['version']}")
    yield f"  {record['offset']:4}  {record['type']:10} {', '.join(parts)}"
    if info is not None:
        yield from _indent(_fw_info(info), 8)
