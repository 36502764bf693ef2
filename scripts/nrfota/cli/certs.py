# SPDX-License-Identifier: Apache-2.0
"""`west ota-certs`: a fleet's certificates into a modem."""

from __future__ import annotations

import argparse
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nrfota.cli import Config
from nrfota.cli.modem_link import add_modem_port, modem_port
from nrfota.cli.options import add_board, add_build_dir, add_cloud

if TYPE_CHECKING:
    from nrfota.certs import CertAction, CertStore
    from nrfota.cloud.files import Checked
    from nrfota.cloud.profile import CloudProfile

HELP = "store a device's certificates and key in its modem"
DESCRIPTION = (
    "Checks the certificates and the key that the cloud file names and stores them in "
    "the modem over the serial port that is wired to it. The modem does not give them "
    "back to be compared: what is there stays, unless --force. When devices are known "
    "by their IMEI, {id} in a file's name is what the modem itself says."
)
EPILOG = (
    "Without --force a file that is in the modem is kept. '-r sim' is the modem of the "
    "virtual board in BUILD_DIR/sim; with any other runner --port is used."
)


def add_arguments(parser: argparse.ArgumentParser, config: Config) -> None:
    """Adds the options."""
    parser.epilog = EPILOG
    add_cloud(parser, config, purpose="the fleet's cloud file")
    parser.add_argument(
        "--device", metavar="ID", help="the device's id, for {id} in files' names"
    )
    add_build_dir(parser, config)
    add_board(parser, config)
    parser.add_argument(
        "-r",
        "--runner",
        default=config.get("runner", "pyocd"),
        help="as of west ota-flash; sim is the virtual board (%(default)s)",
    )
    add_modem_port(parser.add_argument_group("modem"), config)
    parser.add_argument(
        "--force", action="store_true", help="replace what is in the modem"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--list", action="store_true", help="list what is in the modem's store"
    )
    which.add_argument(
        "--delete",
        metavar="NAME",
        nargs="?",
        const="",
        help="delete a file from the store; without NAME, all that this command stores",
    )
    parser.add_argument(
        "-n", "--dry-run", action="store_true", help="check the files, touch nothing"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Does what is asked for and prints it."""
    if args.list:
        with _store(args) as store:
            names = store.names()
        _print(args, {"names": list(names)}, names)
        return 0
    if args.delete is not None:
        return _delete(args)
    return _install(args)


def _delete(args: argparse.Namespace) -> int:
    from nrfota.certs import check_store_name
    from nrfota.cloud.files import STORE_NAMES
    from nrfota.errors import ModemError

    names = (check_store_name(args.delete),) if args.delete else STORE_NAMES
    if args.dry_run:
        lines = [f"would delete {name}, if it is there" for name in names]
        _print(args, {"dry_run": True, "names": list(names)}, lines)
        return 0
    with _store(args) as store:
        deleted = store.delete(names)
    if args.delete and not deleted:
        raise ModemError(
            f"expected a certificate {args.delete} in the modem, found none"
        )
    _print(args, {"deleted": list(deleted)}, [f"deleted {name}" for name in deleted])
    return 0


def _install(args: argparse.Namespace) -> int:
    from nrfota.cloud.files import needs_device
    from nrfota.cloud.profile import IdSource, load_cloud
    from nrfota.errors import UsageError

    if args.cloud is None:
        raise UsageError(
            "expected --cloud, the fleet's cloud file; samples are in templates/cloud"
        )
    cloud = load_cloud(args.cloud)
    device = _known_device(args, cloud)
    asks = cloud.device_id.source is IdSource.IMEI
    if device is None and needs_device(cloud) and (args.dry_run or not asks):
        raise UsageError(
            f"expected --device, the id of the device whose files {cloud.path} names "
            "with {id}"
        )
    # Before a port is opened: what can be known to be wrong.
    checked = _check(cloud, device)
    if not checked.files and not needs_device(cloud):
        raise UsageError(f"{cloud.path} names no certificates: nothing to store")
    if args.dry_run:
        return _dry_run(args, checked, device)
    with _store(args) as store:
        if asks:
            device = _ask_device(store, device)
            checked = _check(cloud, device)
        _tell(checked.notices)
        done = store.install(checked.files, force=args.force)
    actions = [
        {
            "action": action.what,
            "name": action.file.store_name,
            "role": action.file.role,
            "path": str(action.file.path),
            "bytes": len(action.file.data),
        }
        for action in done
    ]
    values = {"device": device, "actions": actions, "notices": list(checked.notices)}
    lines = [_line(action) for action in done]
    _print(args, values, lines)
    return 0


def _line(action: CertAction) -> str:
    file = action.file
    if action.what == "kept":
        return (
            f"kept {file.store_name}: one is in the modem, which does not give it back "
            "to be compared; --force replaces it"
        )
    return f"{action.what} {file.store_name}: {len(file.data)} bytes of {file.path}"


def _known_device(args: argparse.Namespace, cloud: CloudProfile) -> str | None:
    """The id that is known without asking the modem."""
    from nrfota.cloud.profile import check_device_id
    from nrfota.errors import UsageError

    own = cloud.device_id.text
    if args.device is None:
        return own or None
    device = check_device_id(args.device, what="--device")
    if own and device != own:
        raise UsageError(
            f"expected --device {own}, the only device that {cloud.path} is for, got "
            f"{device}"
        )
    return device


def _ask_device(store: CertStore, device: str | None) -> str:
    """The modem's IMEI; another device's certificates are not for it."""
    from nrfota.errors import VerifyError

    imei = store.imei()
    if device is not None and device != imei:
        raise VerifyError(
            f"expected the modem of device {device}, got one with IMEI {imei}; nothing "
            "was stored"
        )
    return imei


def _check(cloud: CloudProfile, device: str | None) -> Checked:
    import datetime

    from nrfota.cloud.files import check_device_files

    now = datetime.datetime.now(datetime.UTC)
    return check_device_files(cloud, device=device, now=now)


def _dry_run(args: argparse.Namespace, checked: Checked, device: str | None) -> int:
    _tell(checked.notices)
    files = [
        {
            "name": file.store_name,
            "role": file.role,
            "path": str(file.path),
            "bytes": len(file.data),
        }
        for file in checked.files
    ]
    lines = [
        f"would store {file.store_name}: {len(file.data)} bytes of {file.path}"
        for file in checked.files
    ]
    values = {
        "dry_run": True,
        "device": device,
        "files": files,
        "notices": list(checked.notices),
    }
    _print(args, values, [*lines, "dry run: nothing was touched"])
    return 0


def _store(args: argparse.Namespace) -> AbstractContextManager[CertStore]:
    """The store, with everything behind it closed at the end."""
    from contextlib import contextmanager

    @contextmanager
    def opened() -> Any:
        from nrfota.certs import CertOptions, CertStore
        from nrfota.runners import RunnerOptions, create

        options = CertOptions(
            pace=args.pace,
            flow_control=args.flow_control,
            on_note=lambda text: _tell((text,)),
        )
        runner = create(
            args.runner,
            RunnerOptions(sim_dir=Path(args.build_dir) / "sim", board=args.board),
        )
        link = runner.modem_link() or modem_port(args)
        try:
            with CertStore(link, options=options) as store:
                yield store
        finally:
            link.close()
            runner.close()

    return opened()


def _tell(notices: tuple[str, ...]) -> None:
    for notice in notices:
        print(f"note: {notice}", file=sys.stderr)


def _print(
    args: argparse.Namespace, values: dict[str, Any], lines: list[str] | tuple[str, ...]
) -> None:
    import json

    if args.json:
        print(json.dumps(values, indent=2))
        return
    for line in lines:
        print(line)
