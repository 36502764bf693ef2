# SPDX-License-Identifier: Apache-2.0
"""`west ota-cost`: what an update of a fleet costs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from nrfota.cli import Config

if TYPE_CHECKING:
    from decimal import Decimal

HELP = "what an update of a fleet costs, item by item"
DESCRIPTION = (
    "Computes what the broker and the file host bill for an update, and the bytes it "
    "moves over the cellular network. Prices come from a dated list with its "
    "sources. Units are binary (1 KB = 1024 bytes). Each item is shown exactly and "
    "in cents, rounded half up and never to nothing; totals add the cents."
)


def add_arguments(parser: argparse.ArgumentParser, config: Config) -> None:
    """Adds the options."""
    from nrfota.cloud.price_list import known_names

    add = parser.add_argument
    add(
        "--profile",
        required=True,
        metavar="NAME",
        help="a cloud of the price list: aws or gcp in article-2020",
    )
    add("--devices", required=True, type=int, metavar="N", help="size of the fleet")
    add(
        "--image-size",
        required=True,
        type=int,
        metavar="BYTES",
        help="size of the application image; 512 KB are 524288",
    )
    add(
        "--days",
        required=True,
        type=int,
        metavar="D",
        help="how long the file is there to be downloaded",
    )
    add(
        "--prices",
        required=True,
        metavar="NAME",
        help=f"a price list ({', '.join(known_names())}) or the path of your own, "
        "which has the form of nrfota/cloud/prices/article-2020.yml",
    )
    add(
        "--request-size",
        type=int,
        metavar="BYTES",
        help="of the update request as the broker meters it: ota.json, and with AWS "
        "IoT its topic (the list's, 379 in article-2020, else 406)",
    )
    add(
        "--publishes",
        type=int,
        metavar="N",
        help="messages that carry the request to the broker: 1 to a group, as many as "
        "devices when each has its own (the list's, else 1)",
    )
    gets = parser.add_mutually_exclusive_group()
    gets.add_argument(
        "--gets",
        type=int,
        metavar="N",
        help="GET requests of a device (the list's, 1 in article-2020, else --parts)",
    )
    gets.add_argument(
        "--parts",
        action="store_true",
        help="count a GET for each part of 131072 bytes of the file, as devices "
        "download it",
    )
    add(
        "--reports",
        type=int,
        default=9,
        metavar="N",
        help="reports that a device sends; a download reports five times "
        "(%(default)s); article-2020 does not count them in its total",
    )
    add("--http", action="store_true", help="files over http: no TLS around them")
    add(
        "--cellular-price",
        metavar="PER_MB",
        help="price of a MB over the air, in the list's currency",
    )
    add(
        "--assume",
        metavar="NAME=BYTES",
        action="append",
        default=[],
        help="replace an assumption about cellular bytes (nrfota/cloud/cellular.py "
        "lists them)",
    )
    add("--json", action="store_true", help="print a JSON object; money is text")


def run(args: argparse.Namespace) -> int:
    """Prints the cost."""
    from nrfota.cloud.cellular import Assumptions
    from nrfota.cloud.cost import Plan, compute
    from nrfota.cloud.price_list import load_prices

    plan = Plan(
        profile=args.profile,
        devices=args.devices,
        image_size=args.image_size,
        days=args.days,
        request_size=args.request_size,
        publishes=args.publishes,
        gets=args.gets,
        in_parts=args.parts,
        reports=args.reports,
        https=not args.http,
        cellular_price=_price(args.cellular_price),
        assumed=Assumptions().changed(args.assume),
    )
    cost = compute(plan, load_prices(args.prices))
    if args.json:
        import json

        from nrfota.cloud.cost_json import as_json

        print(json.dumps(as_json(cost), indent=2))
    else:
        from nrfota.cli.cost_view import show

        show(cost)
    return 0


def _price(text: str | None) -> Decimal | None:
    from decimal import Decimal, InvalidOperation

    from nrfota.errors import UsageError

    if text is None:
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        raise UsageError(f"expected a price per MB, got '{text}'") from None
