# SPDX-License-Identifier: Apache-2.0
"""From the options of `west ota-flash` to a `Plan`: which files, which steps."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from nrfota.arm import check_downgrade
from nrfota.errors import OtaError, UsageError, VerifyError
from nrfota.flash import Arm, Plan, Provision, Stage, arms_by_journal
from nrfota.outputs import Output, read_input, write_outputs
from nrfota.runners import Capability, Erase

if TYPE_CHECKING:
    from nrfota.cli.flash_view import View
    from nrfota.fw_info import FwInfo
    from nrfota.layout import Layout
    from nrfota.ota_json import OtaJson

FACTORY = "ota/factory.hex"
EBIN = "ota/ota.ebin"


def make_plan(
    args: argparse.Namespace,
    *,
    layout: Layout,
    capabilities: frozenset[Capability],
    scratch: Path,
    view: View,
) -> Plan:
    """Reads and checks every file that the steps need.

    `scratch` is a folder for a factory.hex made on the way.
    """
    named = {
        step for step in ("provision", "stage", "arm", "watch") if getattr(args, step)
    }
    wanted = named or {"provision", "stage", "arm", "watch"}
    provision, installed = None, None
    if "provision" in wanted:
        provision, installed = _provision(args, layout=layout, scratch=scratch)
        if provision is None and "provision" in named:
            raise UsageError(
                f"nothing to provision: expected {args.build_dir / FACTORY} (made by "
                "west ota-package --factory), --hex-file or --elf-file"
            )
    message, data = _update(args, needed=bool(named & {"stage", "arm"}))
    update = message.fw_info if message is not None else None
    allow_downgrade = args.allow_downgrade or (
        message is not None and message.allow_downgrade
    )
    arming = "arm" in wanted and update is not None
    staging = "stage" in wanted and data is not None
    if update and _same(update, installed) and not named & {"stage", "arm"}:
        view.note(
            f"the update is version {update.version}, which is what gets provisioned: "
            "nothing to stage"
        )
        arming = staging = False
    can_arm = Capability.WRITE_RAM in capabilities or arms_by_journal(capabilities)
    if not can_arm and not named:
        view.note("this runner cannot ask for an update: provisioning only")
        arming = staging = False
    if arming and update is not None and installed is not None and not allow_downgrade:
        check_downgrade(update, running=installed)
    watch = None
    if "watch" in wanted:
        watch = _watched(args, update if arming else None, installed, named=named)
    plan = Plan(
        provision=provision,
        stage=_stage(args, update, data, view) if staging else None,
        arm=Arm(update, args.modem_path, allow_downgrade)
        if arming and update is not None
        else None,
        reset=args.reset,
        watch=watch,
        timeout_s=args.timeout,
        dry_run=args.dry_run,
    )
    _check(args, plan)
    return plan


def _same(update: FwInfo, installed: FwInfo | None) -> bool:
    """Whether the update is the very image that gets provisioned."""
    return installed is not None and (
        (update.version, update.fp_base, update.pbin_hash)
        == (installed.version, installed.fp_base, installed.pbin_hash)
    )


def _check(args: argparse.Namespace, plan: Plan) -> None:
    if not (plan.provision or plan.stage or plan.arm or plan.watch is not None):
        raise UsageError(
            f"nothing to do: expected {args.build_dir / FACTORY} or "
            f"{args.build_dir / EBIN} (made by west ota-package)"
        )
    if args.timeout <= 0:
        raise UsageError(f"expected a --timeout above 0 s, got {args.timeout:g}")
    if args.dry_run or args.runner == "sim":
        return
    if plan.stage is not None and not args.port:
        raise UsageError(
            "staging needs --port, the serial port that is wired to the modem, like "
            "/dev/ttyUSB0"
        )
    if plan.watch is not None and not args.console_port:
        raise UsageError(
            "watching needs --console-port, the board's console, like /dev/ttyACM0 "
            "(or name the steps without --watch)"
        )


def _provision(
    args: argparse.Namespace, *, layout: Layout, scratch: Path
) -> tuple[Provision | None, FwInfo | None]:
    """The step, and the fw_info that the journal will hold."""
    from nrfota.hexfile import read_hex
    from nrfota.provision import factory_version, has_bootloader

    erase = Erase.CHIP if args.erase else Erase.TOUCHED
    path: Path | None = args.hex_file or args.elf_file
    if path is None:
        path = args.build_dir / FACTORY
        if not path.is_file():
            return None, None
    if args.elf_file is None:
        segments = read_hex(read_input(path), source=str(path))
        if has_bootloader(segments, layout=layout):
            if args.app_version:
                raise UsageError(
                    "--app-version is for an application, but "
                    f"{path} brings its journal"
                )
            current = factory_version(segments, layout=layout, source=str(path))
            info = current.fw_info
            return Provision(path, erase, info.version), info
    made = _made_factory(args, path, layout=layout, scratch=scratch)
    segments = read_hex(read_input(made), source=str(made))
    info = factory_version(segments, layout=layout, source=str(made)).fw_info
    return Provision(made, erase, info.version), info


def _made_factory(
    args: argparse.Namespace, app: Path, *, layout: Layout, scratch: Path
) -> Path:
    """factory.hex around an application, with the build's bootloader."""
    from nrfota.package import Secret, parse_version
    from nrfota.provision import Firmware, make_factory

    if not args.app_version:
        raise UsageError(f"provisioning the application {app} needs --app-version")
    firmware = Firmware(
        app=app,
        bootloader=args.build_dir / "bootloader/bootloader.elf",
        mbr=args.build_dir / "mbr/mbr.elf",
        version=parse_version(args.app_version),
    )
    secret = Secret(os.urandom(16), os.urandom(16))
    text = make_factory(firmware, layout=layout, secret=secret, read=read_input)
    path = scratch / "factory.hex"
    write_outputs([Output(path, text.encode(), secret=True)])
    return path


def _update(
    args: argparse.Namespace, *, needed: bool
) -> tuple[OtaJson | None, bytes | None]:
    """The update's message and file, checked against each other."""
    from nrfota.ebin import Ebin, open_ebin
    from nrfota.ota_json import OtaJson

    ebin: Path = args.ebin or args.build_dir / EBIN
    ota_json: Path = args.ota_json or ebin.parent / "ota.json"
    asked = needed or args.ebin is not None or args.ota_json is not None
    if not asked and not (ebin.is_file() and ota_json.is_file()):
        return None, None
    message = OtaJson.unpack(read_input(ota_json))
    info = message.fw_info
    if args.modem_path and not args.stage and not ebin.is_file():
        return message, None
    data = read_input(ebin)
    try:
        open_ebin(Ebin.unpack(data, trusted=info), info)
    except OtaError as error:
        raise VerifyError(f"{ebin} is not what {ota_json} is for: {error}") from error
    return message, data


def _watched(
    args: argparse.Namespace,
    update: FwInfo | None,
    installed: FwInfo | None,
    *,
    named: set[str],
) -> int | None:
    """The version to wait for."""
    from nrfota.package import parse_version

    if update is not None:
        if not args.reset:
            raise UsageError(
                "--watch after --arm needs --reset: the update starts there"
            )
        return update.version
    if installed is not None:
        return installed.version
    if args.app_version:
        return parse_version(args.app_version)
    if "watch" in named:
        raise UsageError("--watch alone needs --app-version, the version to wait for")
    return None


def _stage(
    args: argparse.Namespace, update: FwInfo | None, data: bytes | None, view: View
) -> Stage:
    from nrfota.modem_storage import check_name
    from nrfota.stage import StageOptions

    assert update is not None and data is not None
    name = args.name or f"fw_{update.version}_{update.ebin_hash.hex()[:8]}.ebin"
    options = StageOptions(
        drive=args.drive,
        pace=args.pace,
        flow_control=args.flow_control,
        baud=args.modem_baud,
        on_progress=view.progress,
        on_note=view.note,
    )
    return Stage(data, check_name(name), options)
