# SPDX-License-Identifier: Apache-2.0
"""Price lists: dated YAML files with their sources (`prices/*.yml`).

A list says what things cost and how they are counted. The project's own are known
by name; a path is the user's own. Prices are Decimal as they are written, units
are binary (1 KB = 1024 bytes), a month has 30 days.

    prices = load_prices("article-2020")
    prices.profile("aws").storage.get
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from nrfota import yaml_source
from nrfota.errors import FormatError, UsageError
from nrfota.yaml_source import Node

FOLDER = Path(__file__).with_name("prices")
SUFFIX = ".yml"
MESSAGES = "messages"  # each begun increment of bytes is one message
VOLUME = "volume"  # bytes, with a minimum for each message
PUBLISH = "publish"
PUBACK = "puback"
FLOWS = ("request_publish", "request_delivery", "report_publish", "report_delivery")


@dataclass(frozen=True)
class Broker:
    """What messages cost, and which of them are counted.

    `step` is the increment of a message (`messages`) or the least that counts for
    one (`volume`). Each flow lists the packets that are billed.
    """

    name: str
    meter: str
    step: int
    price: Decimal
    per: int
    request_publish: tuple[str, ...]
    request_delivery: tuple[str, ...]
    report_publish: tuple[str, ...]
    report_delivery: tuple[str, ...]

    def metered(self, packets: Iterable[str], *, size: int) -> int:
        """Messages or bytes that are billed for `packets`; a PUBLISH has `size`."""
        total = 0
        for packet in packets:
            length = size if packet == PUBLISH else 0
            if self.meter == MESSAGES:
                total += max(1, -(-length // self.step))
            else:
                total += max(self.step, length)
        return total


@dataclass(frozen=True)
class Storage:
    """What the file costs; `get` is for `gets` requests."""

    name: str
    gb_month: Decimal
    get: Decimal
    gets: int
    transfer_gb: Decimal


@dataclass(frozen=True)
class Profile:
    """Prices of one cloud; without a broker, messages cost nothing there."""

    name: str
    broker: Broker | None
    storage: Storage


@dataclass(frozen=True)
class Counting:
    """How a list counts, where the command line does not say otherwise.

    None means computed: GETs from the parts of a file, publishes one.
    `whole_file` adds padding and header to the image's size.
    """

    request_size: int | None = None
    publishes: int = 1
    gets_per_device: int | None = None
    whole_file: bool = True
    reports_in_total: bool = True


@dataclass(frozen=True)
class PriceList:
    """One file."""

    name: str
    date: str
    currency: str
    sources: tuple[str, ...]
    counting: Counting
    profiles: tuple[Profile, ...]

    def profile(self, name: str) -> Profile:
        """The profile called `name`; raises UsageError."""
        for profile in self.profiles:
            if profile.name == name:
                return profile
        known = ", ".join(profile.name for profile in self.profiles)
        raise UsageError(
            f"price list '{self.name}' has no profile '{name}', expected {known}"
        )


def known_names() -> list[str]:
    """Names of the lists that come with the project."""
    return sorted(path.stem for path in FOLDER.glob(f"*{SUFFIX}"))


def load_prices(name: str) -> PriceList:
    """The list of that name, or of that path; raises UsageError or FormatError."""
    if name in known_names():
        path = FOLDER / f"{name}{SUFFIX}"
    elif "/" in name or name.endswith((SUFFIX, ".yaml")):
        path = Path(name)
    else:
        raise UsageError(
            f"unknown price list '{name}', expected {', '.join(known_names())} "
            "or the path of a .yml file"
        )
    return parse_prices(yaml_source.read_text(path), source=str(path))


def parse_prices(text: str, *, source: str) -> PriceList:
    """The list in a YAML text."""
    top = yaml_source.parse(text, source=source)
    top.allow(
        ("name", "date", "currency", "sources", "profiles"), optional=["counting"]
    )
    profiles = top.mapping("profiles")
    if not profiles.values:
        raise FormatError(f"{source}: profiles: expected at least one, got none")
    return PriceList(
        name=top.text("name"),
        date=_date(top),
        currency=top.text("currency"),
        sources=_texts(top, "sources"),
        counting=_counting(top.mapping("counting"))
        if "counting" in top
        else Counting(),
        profiles=tuple(_profile(profiles.mapping(name), name) for name in profiles),
    )


def _profile(node: Node, name: str) -> Profile:
    node.allow(("storage",), optional=("broker",))
    return Profile(
        name=name,
        broker=_broker(node.mapping("broker")) if "broker" in node else None,
        storage=_storage(node.mapping("storage")),
    )


def _broker(node: Node) -> Broker:
    meter = node.text("meter")
    steps = {MESSAGES: "increment", VOLUME: "minimum"}
    if meter not in steps:
        raise FormatError(
            f"{node.where}: expected meter to be {' or '.join(steps)}, got '{meter}'"
        )
    node.allow(("name", "meter", steps[meter], "price", "per", *FLOWS))
    flows = {flow: _texts(node, flow) for flow in FLOWS}
    for flow, packets in flows.items():
        for packet in packets:
            if packet not in (PUBLISH, PUBACK):
                raise FormatError(
                    f"{node.where}: expected {flow} to list {PUBLISH} or {PUBACK}, "
                    f"got '{packet}'"
                )
    return Broker(
        name=node.text("name"),
        meter=meter,
        step=_positive(node, steps[meter]),
        price=_price(node, "price"),
        per=_positive(node, "per"),
        **flows,
    )


def _storage(node: Node) -> Storage:
    node.allow(("name", "gb_month", "get", "gets", "transfer_gb"))
    return Storage(
        name=node.text("name"),
        gb_month=_price(node, "gb_month"),
        get=_price(node, "get"),
        gets=_positive(node, "gets"),
        transfer_gb=_price(node, "transfer_gb"),
    )


def _counting(node: Node) -> Counting:
    keys = ("request_size", "publishes", "gets_per_device", "file", "reports_in_total")
    node.allow((), optional=keys)
    file = node.text("file") if "file" in node else "ebin"
    if file not in ("image", "ebin"):
        raise FormatError(
            f"{node.where}: expected file to be image or ebin, got '{file}'"
        )
    in_total = node.values.get("reports_in_total", True)
    if not isinstance(in_total, bool):
        raise FormatError(
            f"{node.where}: expected reports_in_total to be true or false, "
            f"got '{in_total}'"
        )
    gets = "gets_per_device"
    return Counting(
        request_size=_positive(node, keys[0]) if keys[0] in node else None,
        publishes=_positive(node, "publishes") if "publishes" in node else 1,
        gets_per_device=_positive(node, gets) if gets in node else None,
        whole_file=file == "ebin",
        reports_in_total=in_total,
    )


def _positive(node: Node, key: str) -> int:
    value = node.integer(key)
    if value == 0:
        raise FormatError(f"{node.where}: expected {key} to be at least 1, got 0")
    return value


def _price(node: Node, key: str) -> Decimal:
    """A price as it is written: YAML's float has the digits of its shortest text."""
    value: Any = node.values.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise FormatError(f"{node.where}: expected {key} to be a price, got {value!r}")
    try:
        price = Decimal(str(value))
    except InvalidOperation:
        raise FormatError(
            f"{node.where}: expected {key} to be a price, got '{value}'"
        ) from None
    if not price.is_finite() or price < 0 or price >= 1_000_000_000:
        raise FormatError(
            f"{node.where}: expected {key} to be 0 or more and below a billion, "
            f"got {value}"
        )
    return price


def _date(node: Node) -> str:
    value: Any = node.values["date"]
    text = value.isoformat() if isinstance(value, datetime.date) else value
    try:
        return datetime.date.fromisoformat(text).isoformat()
    except (TypeError, ValueError):
        raise FormatError(
            f"{node.where}: expected date as YYYY-MM-DD, got '{value}'"
        ) from None


def _texts(node: Node, key: str) -> tuple[str, ...]:
    value: Any = node.values.get(key)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise FormatError(f"{node.where}: expected {key} to be a list of texts")
    return tuple(value)
