# SPDX-License-Identifier: Apache-2.0
"""What an update of a fleet costs, item by item.

Every item is quantity x unit price / per, in Decimal. Two amounts are kept: the
exact one, and the one in cents, rounded half up and never to nothing ("cost won't
be zero"). Totals in cents are sums of items in cents, as a bill is.

    plan = Plan(profile="aws", devices=50_000, image_size=524_288, days=7)
    compute(plan, load_prices("article-2020")).total.rounded
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal, localcontext

from nrfota.cloud.cellular import (
    REPORTS,
    Assumptions,
    CellularItem,
    Traffic,
    cellular,
    file_size,
    parts,
)
from nrfota.cloud.price_list import MESSAGES, Broker, PriceList, Storage
from nrfota.errors import UsageError

MB, GB = 1024**2, 1024**3
MONTH_DAYS = 30
CENT = Decimal("0.01")
MAX_COUNT = 10**12
DIGITS = 40  # the product of the largest inputs has fewer
SHOWN_DIGITS = 28
# ota.json with one URL of 100 characters and an id as ota-publish makes it (SPEC.md 3).
REQUEST_SIZE = 406


@dataclass(frozen=True)
class Plan:
    """What is asked; None is left to the price list."""

    profile: str
    devices: int
    image_size: int
    days: int
    request_size: int | None = None
    publishes: int | None = None
    gets: int | None = None
    in_parts: bool = False
    reports: int = REPORTS
    https: bool = True
    cellular_price: Decimal | None = None
    assumed: Assumptions = field(default_factory=Assumptions)

    def __post_init__(self) -> None:
        for what, value, least in (
            ("devices", self.devices, 1),
            ("image size", self.image_size, 1),
            ("days", self.days, 1),
            ("request size", self.request_size, 1),
            ("publishes", self.publishes, 1),
            ("GETs per device", self.gets, 1),
            ("reports per device", self.reports, 0),
        ):
            if value is not None and not least <= value <= MAX_COUNT:
                raise UsageError(f"expected {what} to be {least}..10^12, got {value}")
        if self.gets and self.in_parts:
            raise UsageError(
                "expected GETs per device or a download in parts, not both"
            )
        price = self.cellular_price
        if price is not None and not (price.is_finite() and 0 <= price <= MAX_COUNT):
            raise UsageError(f"expected a cellular price of 0..10^12, got {price}")


@dataclass(frozen=True)
class Sum:
    """An amount of money, exact and in cents."""

    amount: Decimal
    rounded: Decimal


@dataclass(frozen=True)
class Item:
    """One line: amount = quantity x unit_price / per."""

    name: str
    quantity: Decimal
    unit: str
    unit_price: Decimal
    per: int
    formula: str

    @property
    def amount(self) -> Decimal:
        """The exact amount."""
        with localcontext(prec=DIGITS):
            return self.quantity * self.unit_price / self.per

    @property
    def rounded(self) -> Decimal:
        """In cents."""
        return cents(self.amount)


@dataclass(frozen=True)
class Group:
    """Items of one purpose; some lists do not count some groups."""

    name: str
    title: str
    items: tuple[Item, ...]
    in_total: bool = True

    @property
    def total(self) -> Sum:
        """Of its items."""
        return _add(self.items)


@dataclass(frozen=True)
class Cost:
    """The answer."""

    plan: Plan
    prices: PriceList
    request_size: int
    publishes: int
    gets: int
    billed_size: int
    groups: tuple[Group, ...]
    cellular: tuple[CellularItem, ...]

    @property
    def total(self) -> Sum:
        """Of the groups that count."""
        return _add(group.total for group in self.groups if group.in_total)

    @property
    def received(self) -> int:
        """Bytes that one device receives."""
        return sum(item.received for item in self.cellular)

    @property
    def sent(self) -> int:
        """Bytes that one device sends."""
        return sum(item.sent for item in self.cellular)

    def cellular_cost(self, devices: int) -> Sum | None:
        """Of so many devices, when a price is given."""
        if self.plan.cellular_price is None:
            return None
        with localcontext(prec=DIGITS):
            size = Decimal((self.received + self.sent) * devices)
            amount = size / MB * self.plan.cellular_price
        return Sum(amount, cents(amount))


def cents(amount: Decimal) -> Decimal:
    """Rounded half up; what costs anything costs a cent."""
    with localcontext(prec=DIGITS):
        rounded = amount.quantize(CENT, rounding=ROUND_HALF_UP)
    return CENT if amount > 0 and rounded == 0 else rounded


def compute(plan: Plan, prices: PriceList) -> Cost:
    """The cost of `plan`; raises UsageError for a profile that is not in the list."""
    profile = prices.profile(plan.profile)
    counting = prices.counting
    whole = file_size(plan.image_size)
    billed = whole if counting.whole_file else plan.image_size
    gets = plan.gets or (None if plan.in_parts else counting.gets_per_device)
    request_size = plan.request_size or counting.request_size or REQUEST_SIZE
    publishes = plan.publishes or counting.publishes
    gets = gets or parts(whole)
    traffic = Traffic(
        file_size=whole,
        gets=gets,
        request_size=request_size,
        reports=plan.reports,
        https=plan.https,
        assumed=plan.assumed,
    )
    broker = profile.broker
    report_size = plan.assumed.report
    groups = [
        Group(
            "request",
            "update request",
            _messages(
                broker,
                publish=("request_publish", publishes),
                delivery=("request_delivery", plan.devices),
                size=request_size,
            ),
        ),
        Group(
            "data",
            "data",
            _data(plan, profile.storage, billed=billed, gets=gets),
        ),
        Group(
            "reports",
            "reports",
            _messages(
                broker,
                publish=("report_publish", plan.devices * plan.reports),
                delivery=("report_delivery", plan.devices * plan.reports),
                size=report_size,
            ),
            in_total=counting.reports_in_total,
        ),
    ]
    return Cost(
        plan=plan,
        prices=prices,
        request_size=request_size,
        publishes=publishes,
        gets=gets,
        billed_size=billed,
        groups=tuple(groups),
        cellular=tuple(cellular(traffic)),
    )


def plain(value: Decimal) -> str:
    """Without exponent and trailing zeros; at most 28 digits."""
    with localcontext(prec=SHOWN_DIGITS):
        text = f"{+value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _messages(
    broker: Broker | None,
    *,
    publish: tuple[str, int],
    delivery: tuple[str, int],
    size: int,
) -> tuple[Item, ...]:
    """What the broker bills for messages to it and from it."""
    if broker is None:
        return ()
    total = 0
    terms = []
    for flow, times in (publish, delivery):
        packets: tuple[str, ...] = getattr(broker, flow)
        each = broker.metered(packets, size=size)
        total += times * each
        if each:
            terms.append(f"{times} x {each}")
    price = f"{plain(broker.price)} / {broker.per}"
    counted = f"({' + '.join(terms) or '0'})"
    if broker.meter == MESSAGES:
        return (
            Item(
                name="messages",
                quantity=Decimal(total),
                unit="message",
                unit_price=broker.price,
                per=broker.per,
                formula=f"{counted} messages x {price}",
            ),
        )
    with localcontext(prec=DIGITS):
        volume = Decimal(total) / MB
    return (
        Item(
            name="volume",
            quantity=volume,
            unit="MB",
            unit_price=broker.price,
            per=broker.per,
            formula=f"{counted} bytes / 1024^2 x {price}",
        ),
    )


def _data(plan: Plan, storage: Storage, *, billed: int, gets: int) -> tuple[Item, ...]:
    """Storage, requests and transfer of the file."""
    with localcontext(prec=DIGITS):
        size = Decimal(billed) / GB
        stored, moved = size * plan.days, size * plan.devices
    month, get, transfer = (
        plain(price) for price in (storage.gb_month, storage.get, storage.transfer_gb)
    )
    return (
        Item(
            name="storage",
            quantity=stored,
            unit="GB-day",
            unit_price=storage.gb_month,
            per=MONTH_DAYS,
            formula=f"{billed} bytes / 1024^3 x {plan.days} days x {month} / 30",
        ),
        Item(
            name="get",
            quantity=Decimal(plan.devices * gets),
            unit="request",
            unit_price=storage.get,
            per=storage.gets,
            formula=f"{plan.devices} x {gets} requests x {get} / {storage.gets}",
        ),
        Item(
            name="transfer",
            quantity=moved,
            unit="GB",
            unit_price=storage.transfer_gb,
            per=1,
            formula=f"{plan.devices} x {billed} bytes / 1024^3 x {transfer}",
        ),
    )


def _add(parts: Iterable[Item | Sum]) -> Sum:
    amount = rounded = Decimal(0)
    with localcontext(prec=DIGITS):
        for part in parts:
            amount += part.amount
            rounded += part.rounded
    return Sum(amount, rounded.quantize(CENT))
