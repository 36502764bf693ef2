# SPDX-License-Identifier: Apache-2.0
"""Says what a file is, what is in it, and whether it verifies.

Rule 1: the content decides what a file is, never its name.
Rule 2: what does not verify is a failed check of the report; FormatError is for
        bytes that are none of our files.
Rule 3: key and IV are "hidden" unless `secrets` is true.

    report = inspect(data, context=Context(layout))
    report.ok, report.fields
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nrfota import cipher
from nrfota.errors import FormatError, VerifyError
from nrfota.fw_info import HEX_DIGITS, FwInfo
from nrfota.image import TARGETS
from nrfota.layout import Layout
from nrfota.ota_json import OtaJson
from nrfota.segment import Segment

HIDDEN = "hidden"


@dataclass(frozen=True)
class Check:
    """One thing that was verified."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class Context:
    """What a file is judged with; `trusted` is the ota.json that belongs to it."""

    layout: Layout
    trusted: OtaJson | None = None
    secrets: bool = False
    source: str = "file"


@dataclass(frozen=True)
class Report:
    """What was found; `fields` holds JSON values only."""

    kind: str
    fields: dict[str, Any]
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether everything verified."""
        return all(check.ok for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        """The report as one JSON object."""
        checks = [
            {"name": check.name, "ok": check.ok, "detail": check.detail}
            for check in self.checks
        ]
        return {"kind": self.kind, "ok": self.ok, **self.fields, "checks": checks}


def inspect(data: bytes, *, context: Context) -> Report:
    """Recognises and verifies a file; raises FormatError when it is unknown."""
    header = _public_header(data)
    if header is not None or _is_bare_ebin(data, context.trusted):
        return _inspect_ebin(data, header=header, context=context)
    if data[:4] == b"\x7fELF":
        from nrfota.elf import read_elf

        return _inspect_flash(
            "elf", read_elf(data, source=context.source), context=context
        )
    if data[:1] == b":" and data[:9].isascii():
        from nrfota.hexfile import read_hex

        return _inspect_flash(
            "hex", read_hex(data, source=context.source), context=context
        )
    if len(data) == context.layout.flash.size:
        dump = Segment(context.layout.flash.base, data, "dump")
        return _inspect_flash("flash", (dump,), context=context)
    if data[:8] == b"VBOARDNV":
        from nrfota.board_memory import read_board_memory

        memory = read_board_memory(data, layout=context.layout, source=context.source)
        return _inspect_flash("flash", memory, context=context)
    if data[:1] == b"{" and data.isascii():
        return _inspect_ota_json(data, context=context)
    text = data.strip()
    if text.isascii() and len(text) == 2 * FwInfo.SIZE:
        digits = text.decode()
        if HEX_DIGITS.match(digits):
            return _inspect_fw_info(FwInfo.from_hex(digits), context=context)
    if context.trusted is not None and data:
        return _inspect_ebin(data, header=None, context=context)
    raise FormatError(
        f"{context.source}: expected a .ebin with header, ota.json, fw_info as hex "
        f"digits, a HEX or ELF file, or a flash dump of {context.layout.flash.size} "
        f"bytes, got {len(data)} bytes of something else (a .ebin without header "
        "needs its ota.json)"
    )


def show_fw_info(info: FwInfo, *, secrets: bool) -> dict[str, Any]:
    """A fw_info as JSON values; key and IV are null in a public header."""

    def secret(value: bytes) -> str | None:
        if info.is_public:
            return None
        return value.hex() if secrets else HIDDEN

    return {
        "version": info.version,
        "fp_base": info.fp_base,
        "pbin_size": info.pbin_size,
        "ebin_size": info.ebin_size,
        "aes_key": secret(info.aes_key),
        "aes_iv": secret(info.aes_iv),
        "pbin_hash": info.pbin_hash.hex(),
        "ebin_hash": info.ebin_hash.hex(),
    }


def check_destination(info: FwInfo, *, layout: Layout) -> Check:
    """Whether the image goes to a place the device accepts."""
    for name in TARGETS:
        region = layout.flash_region(name)
        if info.fp_base != region.start:
            continue
        ok = info.pbin_size <= region.budget
        detail = f"{info.pbin_size} of {region.budget} bytes of region '{name}'"
        return Check("destination", ok, detail)
    expected = " or ".join(
        f"0x{layout.flash_region(name).start:08x} ('{name}')" for name in TARGETS
    )
    detail = f"expected {expected}, got 0x{info.fp_base:08x}"
    return Check("destination", False, detail)


def check_hash(name: str, data: bytes | memoryview, expected: bytes) -> Check:
    """Compares a SHA-256."""
    got = cipher.sha256(data)
    if got == expected:
        return Check(name, True, f"SHA-256 {got.hex()}")
    detail = f"expected SHA-256 {expected.hex()}, got {got.hex()}"
    return Check(name, False, detail)


def _public_header(data: bytes) -> FwInfo | None:
    try:
        header = FwInfo.unpack(data[: FwInfo.SIZE])
    except FormatError:
        return None
    return header if header.is_public else None


def _is_bare_ebin(data: bytes, trusted: OtaJson | None) -> bool:
    return trusted is not None and len(data) in (
        trusted.fw_info.ebin_size,
        trusted.fw_info.ebin_size + FwInfo.SIZE,
    )


def _inspect_fw_info(info: FwInfo, *, context: Context) -> Report:
    fields = {"fw_info": show_fw_info(info, secrets=context.secrets)}
    return Report("fw_info", fields, _check_message(info, context=context))


def _inspect_ota_json(data: bytes, *, context: Context) -> Report:
    message = OtaJson.unpack(data)
    fields = {
        "url": message.url,
        "alt_url": message.alt_url,
        "id": message.report_id,
        "allow_downgrade": message.allow_downgrade,
        "fw_info": show_fw_info(message.fw_info, secrets=context.secrets),
    }
    checks = _check_message(message.fw_info, context=context)
    return Report("ota.json", fields, checks)


def _check_message(info: FwInfo, *, context: Context) -> tuple[Check, ...]:
    checks = [check_destination(info, layout=context.layout)]
    if context.trusted is not None:
        same = info == context.trusted.fw_info
        detail = "equals" if same else "differs from"
        checks.append(Check("fw_info", same, f"{detail} the fw_info of ota.json"))
    return tuple(checks)


def _inspect_ebin(data: bytes, *, header: FwInfo | None, context: Context) -> Report:
    trusted = context.trusted.fw_info if context.trusted else None
    info = trusted or header
    assert info is not None, "an ebin without header is recognised by its ota.json"
    if trusted and not header and len(data) == trusted.ebin_size + FwInfo.SIZE:
        header_problem = "the first 112 bytes are no public header"
    else:
        header_problem = ""
    with_header = header is not None or bool(header_problem)
    cipher_text = data[FwInfo.SIZE :] if with_header else data
    checks = [_check_size(len(cipher_text), info)]
    if header_problem:
        checks.append(Check("header", False, header_problem))
    elif header and trusted:
        same = header == trusted.public()
        detail = "equals" if same else "differs from"
        checks.append(Check("header", same, f"{detail} the fw_info of ota.json"))
    checks.append(check_destination(info, layout=context.layout))
    checks.append(check_hash("cipher text", cipher_text, info.ebin_hash))
    if trusted:
        checks.append(_check_plain(cipher_text, trusted))
    fields = {
        "form": "header" if with_header else "bare",
        "file_size": len(data),
        "fw_info": show_fw_info(info, secrets=context.secrets),
    }
    return Report("ebin", fields, tuple(checks))


def _check_size(size: int, info: FwInfo) -> Check:
    if size == info.ebin_size:
        return Check("cipher size", True, f"{size} bytes")
    detail = f"expected {info.ebin_size} bytes, got {size}"
    return Check("cipher size", False, detail)


def _check_plain(cipher_text: bytes, info: FwInfo) -> Check:
    try:
        plain = cipher.decrypt(cipher_text, key=info.aes_key, iv=info.aes_iv)
    except VerifyError as error:
        return Check("plain image", False, str(error))
    if len(plain) != info.pbin_size:
        detail = f"expected {info.pbin_size} bytes, got {len(plain)}"
        return Check("plain image", False, detail)
    return check_hash("plain image", plain, info.pbin_hash)


def _inspect_flash(
    kind: str, segments: tuple[Segment, ...], *, context: Context
) -> Report:
    from nrfota.inspect_flash import inspect_flash

    return inspect_flash(kind, segments, context=context)
