# SPDX-License-Identifier: Apache-2.0
"""`west ota-flash`: provision, stage, arm, reset and watch a board."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from nrfota.cli import Config
from nrfota.cli.modem_link import add_modem_port, modem_port
from nrfota.cli.options import add_board, add_build_dir

if TYPE_CHECKING:
    from nrfota.at import Link
    from nrfota.flash import Flashed, Plan, Ports
    from nrfota.runners import Runner, RunnerOptions

HELP = "put firmware and an update on a board, or on the virtual one"
DESCRIPTION = (
    "Programs factory.hex over a debug probe (--provision), stores the encrypted "
    "update in the modem over the serial port that is wired to it (--stage), leaves "
    "the request to update in the chip's RAM and resets (--arm), and follows the "
    "console until the new version reports (--watch). Without any of these, all of "
    "them that apply. '-r sim' does the same on the virtual board, without hardware."
)
EPILOG = (
    "The modem has one UART. To stage on a real board, connect a USB-UART to the "
    "modem instead of the nRF52840 (or hold the nRF52840 in reset), run with --stage "
    "--port, put the wires back, and run with --arm --modem-path. Or let the "
    "application download the file and ask for the update itself."
)


def add_arguments(parser: argparse.ArgumentParser, config: Config) -> None:
    """Adds the options."""
    parser.epilog = EPILOG
    _add_what(parser, config)
    _add_files(parser, config)
    _add_links(parser, config)
    modem = parser.add_argument_group("files in the modem (instead of the steps)")
    which = modem.add_mutually_exclusive_group()
    which.add_argument("--modem-list", action="store_true", help="list files and sizes")
    which.add_argument("--modem-delete", metavar="NAME", help="delete a file")
    which.add_argument("--modem-space", action="store_true", help="show free space")


def _add_what(parser: argparse.ArgumentParser, config: Config) -> None:
    add_build_dir(parser, config)
    add_board(parser, config)
    parser.add_argument(
        "-r",
        "--runner",
        default=config.get("runner", "pyocd"),
        help="pyocd, nrfutil, nrfjprog, openocd, nrfutil-dfu or sim (%(default)s)",
    )
    parser.add_argument(
        "-i",
        "--dev-id",
        metavar="ID",
        default=config.get("dev-id"),
        help="serial number of the probe",
    )
    steps = parser.add_argument_group("steps (all that apply, unless one is named)")
    steps.add_argument(
        "--provision", action="store_true", help="program factory.hex and start it"
    )
    steps.add_argument(
        "--stage", action="store_true", help="store the update in the modem"
    )
    steps.add_argument(
        "--arm", action="store_true", help="ask the bootloader to update"
    )
    steps.add_argument(
        "--watch", action="store_true", help="wait for the version's line"
    )
    parser.add_argument(
        "--erase",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="erase the whole chip first; else only the sectors that are written",
    )
    parser.add_argument(
        "--reset",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="reset the chip after provisioning and arming",
    )
    parser.add_argument(
        "--timeout",
        metavar="S",
        type=float,
        default=900.0,
        help="most seconds until the version reports (%(default)s)",
    )
    parser.add_argument(
        "-n", "--dry-run", action="store_true", help="show every step, touch nothing"
    )
    parser.add_argument(
        "--verbose", action="store_true", help="show the tools' command lines"
    )


def _add_files(parser: argparse.ArgumentParser, config: Config) -> None:
    files = parser.add_argument_group("files")
    image = files.add_mutually_exclusive_group()
    image.add_argument(
        "--hex-file",
        metavar="FILE",
        type=Path,
        help="factory.hex to provision (BUILD_DIR/ota/factory.hex), or an application",
    )
    image.add_argument(
        "--elf-file", metavar="FILE", type=Path, help="application to provision"
    )
    files.add_argument(
        "-A",
        "--app-version",
        metavar="N",
        help="version of the application in --elf-file or --hex-file",
    )
    files.add_argument(
        "--ebin",
        metavar="FILE",
        type=Path,
        help="encrypted update (BUILD_DIR/ota/ota.ebin)",
    )
    files.add_argument(
        "--ota-json",
        metavar="FILE",
        type=Path,
        help="its ota.json (beside the ota.ebin)",
    )
    files.add_argument(
        "--allow-downgrade",
        action="store_true",
        help="the update may be older than what runs (also by ota.json)",
    )
    files.add_argument(
        "--layout",
        metavar="YML",
        type=Path,
        default=Path(config["layout"]) if "layout" in config else None,
        help="memory layout (the project's templates/layout.yml)",
    )


def _add_links(parser: argparse.ArgumentParser, config: Config) -> None:
    links = parser.add_argument_group("modem and console")
    add_modem_port(links, config)
    links.add_argument(
        "--modem-baud",
        metavar="BAUD",
        type=int,
        help="raise the modem to this rate while staging",
    )
    links.add_argument(
        "--drive", default="auto", help="E:, F:, C: or D: in the modem (%(default)s)"
    )
    links.add_argument("--name", help="file name in the modem (fw_VERSION_HASH.ebin)")
    links.add_argument(
        "--modem-path",
        metavar="PATH",
        help="where the file already is, to arm without staging: E:/fw_2.ebin",
    )
    links.add_argument(
        "--console-port",
        metavar="TTY",
        default=config.get("console-port"),
        help="serial port of the board's console",
    )
    links.add_argument(
        "--dfu-port",
        metavar="TTY",
        default=config.get("dfu-port"),
        help="USB serial port of Nordic's factory bootloader (-r nrfutil-dfu)",
    )
    links.add_argument(
        "--interface",
        default=config.get("openocd-interface", "jlink"),
        help="OpenOCD's interface file (%(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Carries out the steps."""
    import tempfile

    from nrfota.cli.flash_plan import make_plan
    from nrfota.cli.flash_view import View
    from nrfota.flash import Told, flash
    from nrfota.layout import default_layout_path, load_layout
    from nrfota.runners import create

    layout = load_layout(args.layout or default_layout_path())
    runner = create(args.runner, _runner_options(args))
    if args.modem_list or args.modem_delete or args.modem_space:
        return _modem_files(args, runner)
    with tempfile.TemporaryDirectory() as scratch, View() as view:
        plan = make_plan(
            args,
            layout=layout,
            capabilities=runner.capabilities,
            scratch=Path(scratch),
            view=view,
        )
        done = flash(
            runner,
            plan,
            layout=layout,
            ports=_ports(args),
            told=Told(step=view.step, line=view.line),
        )
    _summary(plan, done, clock="simulated" if args.runner == "sim" else "time")
    return 0


def _runner_options(args: argparse.Namespace) -> RunnerOptions:
    from nrfota.runners import RunnerOptions

    show = args.dry_run or args.verbose
    return RunnerOptions(
        dev_id=args.dev_id,
        dry_run=args.dry_run,
        on_note=(lambda text: print(f"    {text}")) if show else (lambda text: None),
        serial_port=args.dfu_port,
        interface=args.interface,
        sim_dir=args.build_dir / "sim",
        board=args.board,
    )


def _ports(args: argparse.Namespace) -> Ports:
    from nrfota.board import load_board
    from nrfota.build import board_path
    from nrfota.flash import Ports
    from nrfota.serial_link import SerialLink

    def console() -> Link:
        board = load_board(board_path(args.board))
        return SerialLink(args.console_port, baud=board.console.baud)

    return Ports(
        modem=lambda: modem_port(args), console=console if args.console_port else None
    )


def _modem_files(args: argparse.Namespace, runner: Runner) -> int:
    """The commands on files in the modem."""
    from nrfota.at import Client
    from nrfota.errors import ModemError
    from nrfota.modem_storage import ModemStorage, check_drive, check_name

    wanted = None if args.drive == "auto" else check_drive(args.drive)
    if args.modem_delete:
        check_name(args.modem_delete)
    link = runner.modem_link() or modem_port(args)
    try:
        client = Client(link)
        client.sync()
        storage = ModemStorage(client)
        spaces = [space for space in storage.spaces() if wanted in (None, space.drive)]
        if args.modem_space:
            for space in spaces:
                print(f"{space.drive} {space.free} bytes free")
            return 0
        if args.modem_list:
            for space in spaces:
                for name, size in storage.files(space.drive):
                    shown = "?" if size is None else str(size)
                    print(f"{space.drive}/{name} {shown}")
            return 0
        deleted = [
            space.drive
            for space in spaces
            if storage.delete(space.drive, args.modem_delete)
        ]
        if not deleted:
            where = ", ".join(space.drive for space in spaces) or "any drive"
            raise ModemError(
                f"expected a file {args.modem_delete} on {where}, found none"
            )
        for drive in deleted:
            print(f"deleted {drive}/{args.modem_delete}")
        return 0
    finally:
        link.close()
        runner.close()


def _summary(plan: Plan, done: Flashed, *, clock: str) -> None:
    from nrfota.cli.flash_view import times_table

    if plan.dry_run:
        print("dry run: nothing was touched")
        return
    if len(done.times) > 1:
        print("\n".join(["", *times_table(done.times, clock=clock), ""]))
    if done.staged is not None:
        staged = done.staged
        rate = staged.size / staged.upload_s / 1000 if staged.upload_s else 0.0
        print(
            f"staged {staged.path}: {staged.size} bytes in {staged.upload_s:.1f} s "
            f"({rate:.1f} kB/s), read back in {staged.verify_s:.1f} s, "
            f"SHA-256 {staged.sha256.hex()}"
        )
        if staged.restarts or staged.lost_bytes:
            print(
                f"on the way: {staged.attempts} attempts, {staged.restarts} restarts "
                f"of the modem, {staged.lost_bytes} lost bytes"
            )
    if done.report is not None:
        report = done.report
        state = {
            None: "",
            True: ", on trial, and confirmed itself",
            False: ", on trial, and has not confirmed itself yet",
        }[report.confirmed]
        print(f"version {report.version} reported after {report.seconds:.1f} s{state}")
