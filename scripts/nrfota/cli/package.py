# SPDX-License-Identifier: Apache-2.0
"""`west ota-package`: ELF or HEX to ota.ebin, ota.json and factory.hex."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from nrfota.cli import Config
from nrfota.cli.options import add_build_dir

if TYPE_CHECKING:
    from nrfota.image import Image
    from nrfota.layout import Layout
    from nrfota.outputs import Output
    from nrfota.package import Package, Secret
    from nrfota.segment import Segment

HELP = "pack an application or bootloader into an encrypted update"
DESCRIPTION = (
    "Turns an ELF or HEX file into ota.ebin (the encrypted image) and ota.json (what "
    "is published; it holds the key, mode 0600), and with --factory into factory.hex "
    "for a programmer. Everything is checked before anything is written."
)

# Where the image is when only a build directory is given.
BUILT = ("app/app.elf", "zephyr/zephyr.elf")
BUILT_MBR = "mbr/mbr.elf"
BUILT_BOOTLOADER = "bootloader/bootloader.elf"


def add_arguments(parser: argparse.ArgumentParser, config: Config) -> None:
    """Adds the options."""
    image = parser.add_argument_group("image")
    source = image.add_mutually_exclusive_group()
    source.add_argument("--elf-file", metavar="FILE", type=Path, help="ELF file")
    source.add_argument("--hex-file", metavar="FILE", type=Path, help="Intel HEX file")
    purpose = "take the image, boot record and bootloader from here"
    add_build_dir(image, config, purpose=purpose)
    image.add_argument(
        "--softdevice",
        metavar="HEX",
        type=Path,
        default=_path(config.get("softdevice")),
        help="SoftDevice to put in front of the application",
    )
    image.add_argument(
        "--allow-uicr",
        action="store_true",
        help="accept UICR words in the image; they go into factory.hex alone",
    )
    image.add_argument(
        "--layout",
        metavar="YML",
        type=Path,
        default=_path(config.get("layout")),
        help="memory layout (the project's templates/layout.yml)",
    )
    release = parser.add_argument_group("release")
    release.add_argument(
        "-A",
        "--app-version",
        metavar="N",
        required=True,
        help="version, 0 to 4294967295",
    )
    release.add_argument(
        "-u",
        "--url",
        default=config.get("url", ""),
        help="where the device fetches ota.ebin (http or https)",
    )
    release.add_argument(
        "-a",
        "--alternate-url",
        metavar="URL",
        default=config.get("alternate-url", ""),
        help="tried when URL fails",
    )
    output = parser.add_argument_group("output")
    output.add_argument(
        "-o",
        "--output-dir",
        metavar="DIR",
        type=Path,
        default=_path(config.get("output-dir")),
        help="folder for the files (BUILD_DIR/ota, or the current one with a FILE)",
    )
    output.add_argument(
        "--no-header",
        action="store_true",
        help="write ota.ebin as bare cipher text, without the public header",
    )
    output.add_argument("--json", action="store_true", help="print a JSON object")
    for name, what in (("key", "key"), ("iv", "initialisation vector")):
        output.add_argument(
            f"--{name}-file",
            metavar="FILE",
            type=Path,
            help=f"16 raw bytes of AES {what} (fresh random bytes by default)",
        )
    factory = parser.add_argument_group("factory.hex")
    factory.add_argument(
        "--factory", action="store_true", help="also write factory.hex"
    )
    factory.add_argument(
        "--bootloader",
        metavar="FILE",
        type=Path,
        help=f"bootloader ELF or HEX (BUILD_DIR/{BUILT_BOOTLOADER})",
    )
    factory.add_argument(
        "--mbr",
        metavar="HEX",
        type=Path,
        help=(
            f"Nordic's boot record instead of BUILD_DIR/{BUILT_MBR}; adds the UICR "
            "words it needs"
        ),
    )
    factory.add_argument(
        "--modem-path",
        metavar="PATH",
        default="",
        help="where the modem keeps this version's ota.ebin, like E:/fw_1.ebin",
    )


def run(args: argparse.Namespace) -> int:
    """Packs and writes; prints what was made."""
    from nrfota.image import build_image
    from nrfota.layout import default_layout_path, load_layout
    from nrfota.outputs import read_input, write_outputs
    from nrfota.package import Release, build_package, parse_version, read_segments

    _check(args)
    layout = load_layout(args.layout or default_layout_path())
    release = Release(parse_version(args.app_version), args.url, args.alternate_url)
    secret = _secret(args)
    image = build_image(
        _program(args),
        layout=layout,
        softdevice=(
            read_segments(args.softdevice, read=read_input) if args.softdevice else ()
        ),
        allow_uicr=args.allow_uicr,
    )
    package = build_package(
        image, release=release, secret=secret, header=not args.no_header
    )
    outputs = _outputs(args, package, image=image, layout=layout)
    write_outputs(outputs)
    _report(args, package, image=image, outputs=outputs)
    return 0


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def _check(args: argparse.Namespace) -> None:
    """Refuses options that have no effect together."""
    from nrfota.errors import UsageError

    if not args.url and not args.alternate_url:
        raise UsageError("expected --url or --alternate-url, got neither")
    if (args.key_file is None) != (args.iv_file is None):
        raise UsageError("expected --key-file and --iv-file together, got one")
    if not args.factory:
        for name in ("bootloader", "mbr", "modem_path"):
            if getattr(args, name):
                option = name.replace("_", "-")
                raise UsageError(f"--{option} is of use only with --factory")


def _program(args: argparse.Namespace) -> tuple[Segment, ...]:
    """The segments of the image file."""
    from nrfota.elf import read_elf
    from nrfota.errors import UsageError
    from nrfota.outputs import read_input

    if args.hex_file:
        from nrfota.hexfile import read_hex

        return read_hex(read_input(args.hex_file), source=str(args.hex_file))
    candidates = [args.build_dir / name for name in BUILT]
    for path in [args.elf_file] if args.elf_file else candidates:
        if args.elf_file or path.is_file():
            return read_elf(read_input(path), source=str(path))
    raise UsageError(
        f"no image: expected --elf-file, --hex-file, or one of {', '.join(BUILT)} in "
        f"'{args.build_dir}'"
    )


def _secret(args: argparse.Namespace) -> Secret:
    from nrfota.errors import FormatError
    from nrfota.fw_info import KEY_SIZE
    from nrfota.outputs import read_input
    from nrfota.package import Secret

    if args.key_file is None:
        return Secret(os.urandom(KEY_SIZE), os.urandom(KEY_SIZE))
    values = []
    for name, path in (("key", args.key_file), ("iv", args.iv_file)):
        value = read_input(path, limit=KEY_SIZE + 1)
        if len(value) != KEY_SIZE:
            got = "more" if len(value) > KEY_SIZE else len(value)
            raise FormatError(
                f"{name} file '{path}': expected {KEY_SIZE} bytes, got {got}"
            )
        values.append(value)
    return Secret(*values)


def _outputs(
    args: argparse.Namespace, package: Package, *, image: Image, layout: Layout
) -> list[Output]:
    from nrfota.outputs import Output

    folder = args.output_dir
    if folder is None:
        built = not (args.elf_file or args.hex_file)
        folder = args.build_dir / "ota" if built else Path()
    outputs = [
        Output(folder / "ota.ebin", package.ebin),
        Output(folder / "ota.json", package.ota_json, secret=True),
    ]
    if args.factory:
        text = _factory(args, package, image=image, layout=layout)
        # With a modem path the journal holds the key.
        secret = bool(args.modem_path)
        outputs.append(Output(folder / "factory.hex", text.encode(), secret=secret))
    return outputs


def _factory(
    args: argparse.Namespace, package: Package, *, image: Image, layout: Layout
) -> str:
    from nrfota.factory import FactoryParts, factory_segments
    from nrfota.hexfile import write_hex
    from nrfota.outputs import read_input
    from nrfota.package import read_segments

    bootloader = args.bootloader or args.build_dir / BUILT_BOOTLOADER
    mbr = args.mbr or args.build_dir / BUILT_MBR
    parts = FactoryParts(
        app=image,
        info=package.fw_info,
        bootloader=read_segments(bootloader, read=read_input),
        mbr=read_segments(mbr, read=read_input),
        uicr_words=args.mbr is not None,
        modem_path=args.modem_path,
    )
    return write_hex(factory_segments(parts, layout=layout))


def _report(
    args: argparse.Namespace,
    package: Package,
    *,
    image: Image,
    outputs: list[Output],
) -> None:
    info = package.fw_info
    if args.json:
        import json

        print(
            json.dumps(
                {
                    "region": image.region.name,
                    "version": info.version,
                    "fp_base": info.fp_base,
                    "pbin_size": info.pbin_size,
                    "ebin_size": info.ebin_size,
                    "pbin_hash": info.pbin_hash.hex(),
                    "ebin_hash": info.ebin_hash.hex(),
                    "files": {output.path.name: str(output.path) for output in outputs},
                    "notices": list(image.notices),
                }
            )
        )
        return
    for notice in image.notices:
        print(f"note: {notice}")
    room = image.region.budget
    print(
        f"{image.region.name} version {info.version}: {info.pbin_size} bytes at "
        f"0x{info.fp_base:08x}, {100 * info.pbin_size / room:.1f} % of {room}"
    )
    print(f"SHA-256 {info.pbin_hash.hex()}")
    for output in outputs:
        secret = "  (holds the key)" if output.secret else ""
        print(f"{len(output.data):9} bytes  {output.path}{secret}")
