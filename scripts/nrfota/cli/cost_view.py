# SPDX-License-Identifier: Apache-2.0
"""What `west ota-cost` prints: the bill, then the bytes over the air."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, localcontext

from rich.console import Console
from rich.table import Table

from nrfota.cloud.cost import Cost, plain

# Wide enough for every formula when the output is a file or a pipe.
FILE_WIDTH = 140
EXACT_DIGITS = 8


def show(cost: Cost) -> None:
    """Prints both tables and the notes."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=FILE_WIDTH)
    console.print(_bill(cost))
    console.print(_bytes(cost))
    for note in _notes(cost):
        console.print(f"- {note}", markup=False)


def _bill(cost: Cost) -> Table:
    prices, plan = cost.prices, cost.plan
    table = Table(
        title=f"{plan.profile}: {plan.devices:,} devices, {plan.image_size:,} bytes, "
        f"{plan.days} days; prices {prices.name} of {prices.date}",
        title_justify="left",
    )
    table.add_column("item")
    table.add_column("quantity", justify="right")
    table.add_column("calculation", overflow="fold")
    table.add_column("exact", justify="right")
    table.add_column(prices.currency, justify="right")
    for group in cost.groups:
        beside = "" if group.in_total else " (not in the total)"
        for item in group.items:
            table.add_row(
                item.name,
                f"{_short(item.quantity)} {item.unit}",
                item.formula,
                _short(item.amount),
                str(item.rounded),
            )
        table.add_row(
            f"[bold]{group.title}{beside}[/bold]",
            "",
            "",
            _short(group.total.amount),
            f"[bold]{group.total.rounded}[/bold]",
            end_section=True,
        )
    total = cost.total
    table.add_row(
        "[bold]total[/bold]",
        "",
        "",
        _short(total.amount),
        f"[bold]{total.rounded}[/bold]",
    )
    return table


def _bytes(cost: Cost) -> Table:
    table = Table(title="bytes over the air", title_justify="left")
    table.add_column("one device")
    for column in ("received", "sent"):
        table.add_column(column, justify="right")
    table.add_column("what")
    money = cost.plan.cellular_price is not None
    if money:
        table.add_column(cost.prices.currency, justify="right")

    def row(name: str, received: int, sent: int, what: str, devices: int = 0) -> None:
        cells = [name, f"{received:,}", f"{sent:,}", what]
        price = cost.cellular_cost(devices) if money and devices else None
        if money:
            cells.append(str(price.rounded) if price else "")
        table.add_row(*cells)

    for item in cost.cellular:
        row(item.name, item.received, item.sent, item.note)
    table.add_section()
    devices = cost.plan.devices
    row("device", cost.received, cost.sent, "", 1)
    row("fleet", cost.received * devices, cost.sent * devices, "", devices)
    return table


def _notes(cost: Cost) -> list[str]:
    prices = cost.prices
    profile = prices.profile(cost.plan.profile)
    notes = [f"source: {source}" for source in prices.sources]
    if profile.broker is None:
        notes.append(f"{prices.name} has no broker for {profile.name}: add your own")
    else:
        notes.append(f"broker: {profile.broker.name}")
    notes.append(f"files: {profile.storage.name}")
    if not prices.counting.whole_file:
        notes.append("the bill counts the image; the bytes count ota.ebin")
    notes.append(
        f"request of {cost.request_size} bytes, published {cost.publishes} times; "
        f"GETs per device: {cost.gets}; reports per device: {cost.plan.reports}"
    )
    notes.append("bytes around the payloads are assumptions; --assume replaces them")
    return notes


def _short(value: Decimal) -> str:
    """At most eight significant digits, grouped."""
    text = plain(value)
    if len(text.replace(".", "").lstrip("0")) > EXACT_DIGITS and "." in text:
        with localcontext(prec=EXACT_DIGITS, rounding=ROUND_HALF_UP):
            text = plain(+value)
    whole, dot, rest = text.partition(".")
    return f"{int(whole):,}{dot}{rest}"
