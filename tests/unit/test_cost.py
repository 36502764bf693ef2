# SPDX-License-Identifier: Apache-2.0
"""`nrfota.cloud.cost`: the article's figures, and how they come about."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nrfota.cloud.cellular import Assumptions, Traffic, cellular, file_size, parts
from nrfota.cloud.cost import REQUEST_SIZE, Cost, Item, Plan, cents, compute, plain
from nrfota.cloud.cost_json import as_json
from nrfota.cloud.price_list import (
    PriceList,
    known_names,
    load_prices,
    parse_prices,
)
from nrfota.ebin import seal
from nrfota.errors import FormatError, UsageError
from nrfota.ota_json import OtaJson

ARTICLE = {"devices": 50_000, "image_size": 512 * 1024, "days": 7}
OWN = """
name: own
date: "2026-11-01"
currency: EUR
sources: [an offer]
profiles:
  here:
    broker:
      name: ours
      meter: messages
      increment: 5120
      price: "0.5"
      per: 1000
      request_publish: [publish]
      request_delivery: [publish, puback]
      report_publish: [publish]
      report_delivery: []
    storage: {name: disk, gb_month: 0.1, get: 0, gets: 1, transfer_gb: 0.01}
  no_broker:
    storage: {name: disk, gb_month: 0, get: 1, gets: 1000, transfer_gb: 0}
"""


@pytest.fixture
def article() -> PriceList:
    return load_prices("article-2020")


def cost_of(prices: PriceList, profile: str, **changes: object) -> Cost:
    return compute(Plan(profile=profile, **{**ARTICLE, **changes}), prices)  # type: ignore[arg-type]


def item(cost: Cost, name: str, *, group: str | None = None) -> Item:
    (found,) = (
        one
        for part in cost.groups
        if group in (None, part.name) and (group or part.name != "reports")
        for one in part.items
        if one.name == name
    )
    return found


def group_total(cost: Cost, name: str) -> Decimal:
    return next(one.total.rounded for one in cost.groups if one.name == name)


def metered(size: int, profile: str, prices: PriceList) -> Decimal:
    """Quantity of a request of `size` to one device."""
    name = {"aws": "messages", "gcp": "volume"}[profile]
    return item(cost_of(prices, profile, devices=1, request_size=size), name).quantity


# The article's figures, item by item.


@pytest.mark.parametrize(
    ("name", "quantity", "amount", "rounded"),
    [
        ("messages", "100002", "0.100002", "0.10"),
        # The article shows $0.00000262, and rounds it up: "cost won't be zero".
        ("storage", "0.00341796875", "0.000002620442708333333333333333333", "0.01"),
        ("get", "50000", "0.02", "0.02"),
        # 24.4141 GB and $2.2 in the article, which leaves out the last zero.
        ("transfer", "24.4140625", "2.197265625", "2.20"),
    ],
)
def test_an_item_of_the_article_on_aws(
    article: PriceList, name: str, quantity: str, amount: str, rounded: str
) -> None:
    found = item(cost_of(article, "aws"), name)
    assert (quantity, amount, rounded) == (
        plain(found.quantity),
        plain(found.amount),
        str(found.rounded),
    )


@pytest.mark.parametrize(
    ("name", "quantity", "amount", "rounded"),
    [
        ("volume", "97.65625", "0.439453125", "0.44"),
        # The article shows $0.000002962, and rounds it up.
        ("storage", "0.00341796875", "0.000002962239583333333333333333333", "0.01"),
        ("get", "50000", "0.02", "0.02"),
        ("transfer", "24.4140625", "4.0283203125", "4.03"),
    ],
)
def test_an_item_of_the_article_on_gcp(
    article: PriceList, name: str, quantity: str, amount: str, rounded: str
) -> None:
    found = item(cost_of(article, "gcp"), name)
    assert (quantity, amount, rounded) == (
        plain(found.quantity),
        plain(found.amount),
        str(found.rounded),
    )


@pytest.mark.parametrize(
    ("profile", "request_total", "data_total", "exact_data"),
    # The article adds rounded items: exactly it would be 2.22 and 4.05.
    [("aws", "0.10", "2.23", "2.2172"), ("gcp", "0.44", "4.06", "4.0483")],
)
def test_totals_of_the_article_are_sums_of_rounded_items(
    article: PriceList,
    profile: str,
    request_total: str,
    data_total: str,
    exact_data: str,
) -> None:
    cost = cost_of(article, profile)
    assert Decimal(request_total) == group_total(cost, "request")
    assert Decimal(data_total) == group_total(cost, "data")
    assert plain(cost.groups[1].total.amount).startswith(exact_data)
    assert Decimal(request_total) + Decimal(data_total) == cost.total.rounded


def test_the_article_counts_binary_units(article: PriceList) -> None:
    """50,000 x 512 KB / 1024 / 1024 is 24.4141 GB; by 1000 it would be 26.2."""
    gigabytes = item(cost_of(article, "aws"), "transfer").quantity
    assert Decimal("24.4141") == gigabytes.quantize(Decimal("0.0001"), "ROUND_HALF_UP")


# Counting.


@pytest.mark.parametrize(
    ("size", "messages"),
    # 1 PUBLISH in and its PUBACK, 1 PUBLISH out and its PUBACK
    [(1, 4), (379, 4), (5120, 4), (5121, 6), (6144, 6), (10240, 6), (10241, 8)],
)
def test_aws_meters_each_begun_5_kb(
    article: PriceList, size: int, messages: int
) -> None:
    assert messages == metered(size, "aws", article)


@pytest.mark.parametrize(("size", "counted"), [(1, 1024), (1024, 1024), (6144, 6144)])
def test_gcp_meters_bytes_but_at_least_1_kb(
    article: PriceList, size: int, counted: int
) -> None:
    """And 1 KB for the PUBACK."""
    assert Decimal(counted + 1024) / 1024**2 == metered(size, "gcp", article)


def test_a_request_to_each_device_is_published_as_often(article: PriceList) -> None:
    cost = cost_of(article, "aws", publishes=50_000)
    assert item(cost, "messages").quantity == 200_000


@pytest.mark.parametrize(
    ("image_size", "gets"),
    [
        (131072 - 112 - 16, 1),  # padding is never nothing
        (131072 - 112 - 1, 1),
        (131072 - 112, 2),
        (512 * 1024, 5),
    ],
)
def test_parts_are_counted_with_padding_and_header(
    article: PriceList, image_size: int, gets: int
) -> None:
    cost = cost_of(article, "aws", image_size=image_size, in_parts=True)
    assert gets == cost.gets
    assert 50_000 * gets == item(cost, "get").quantity


def test_the_article_counts_one_get(article: PriceList) -> None:
    assert cost_of(article, "aws").gets == 1
    assert cost_of(article, "aws", gets=3).gets == 3


def test_reports_are_itemised_beside_the_articles_total(article: PriceList) -> None:
    cost = cost_of(article, "aws")
    reports = cost.groups[2]
    assert (reports.in_total, reports.items[0].quantity) == (False, 1_350_000)
    assert cost.total.rounded == Decimal("2.33")


def test_an_own_list_counts_the_whole_file_parts_and_reports() -> None:
    cost = cost_of(parse_prices(OWN, source="own.yml"), "here", reports=2)
    assert (cost.billed_size, cost.gets) == (524_416, 5)
    assert item(cost, "messages", group="reports").quantity == 50_000 * 2
    assert cost.total.rounded == sum(group.total.rounded for group in cost.groups)


def test_without_a_broker_messages_cost_nothing() -> None:
    cost = cost_of(parse_prices(OWN, source="own.yml"), "no_broker")
    assert [(group.name, len(group.items)) for group in cost.groups if group.items] == [
        ("data", 3)
    ]
    assert Decimal("250.00") == cost.total.rounded


@pytest.mark.parametrize(
    ("amount", "rounded"),
    [
        ("0", "0.00"),
        ("0.0000001", "0.01"),
        ("0.0149", "0.01"),
        ("0.015", "0.02"),
        ("2.197265625", "2.20"),
    ],
)
def test_cents_round_half_up_and_never_to_nothing(amount: str, rounded: str) -> None:
    assert rounded == str(cents(Decimal(amount)))


@given(
    devices=st.integers(1, 10**12),
    size=st.integers(1, 10**12),
    days=st.integers(1, 10**12),
)
def test_amounts_are_exact_for_any_input(devices: int, size: int, days: int) -> None:
    """Transfer against integers: bytes x 9 / 100 / 1024^3."""
    prices = load_prices("article-2020")
    cost = cost_of(prices, "aws", devices=devices, image_size=size, days=days)
    exact = Decimal(devices * size * 9) / 100 / 1024**3
    assert abs(item(cost, "transfer").amount - exact) <= exact * Decimal("1e-26")
    assert cost.total.rounded == sum(
        one.rounded for group in cost.groups[:2] for one in group.items
    )


# Bytes over the air.


def test_the_file_is_the_padded_image_with_its_header() -> None:
    assert (file_size(524_288), parts(file_size(524_288))) == (524_416, 5)


def test_bytes_over_the_air_with_nothing_around_are_the_payloads() -> None:
    """All assumptions zero: what is left is MQTT's own framing."""
    zero = [f"{name}=0" for name in vars(Assumptions()) if not is_size(name)]
    items = cellular(
        Traffic(
            file_size=1000,
            gets=1,
            request_size=379,
            reports=9,
            assumed=Assumptions().changed(zero),
        )
    )
    moved = {one.name: (one.received, one.sent) for one in items}
    assert moved == {
        "file": (1000, 0),
        "http": (0, 0),
        "https": (0, 0),
        "request": (386, 4),
        "reports": (36, 63),
        "reconnect": (0, 0),
        "tcp_ip": (0, 0),
    }


def is_size(name: str) -> bool:
    """A size of segments or records, which divides."""
    return name in ("segment", "tls_record_payload")


def test_segments_and_acknowledgements_are_counted() -> None:
    """Three segments of 100 bytes received, one in two acknowledged, by hand."""
    names = [name for name in vars(Assumptions()) if not is_size(name)]
    assumed = Assumptions().changed([f"{name}=0" for name in names])
    assumed = assumed.changed(["tcp_ip=40", "segment=100"])
    plain_http = Traffic(
        file_size=300, gets=1, request_size=1, reports=0, https=False, assumed=assumed
    )
    headers = cellular(plain_http)[-1]
    # file: 3 in, 2 out; request: 1 in, 1 out; its PUBACK: 1 out, 1 in
    assert (headers.name, headers.received, headers.sent) == ("tcp_ip", 5 * 40, 4 * 40)


def test_http_saves_the_tls_of_each_get() -> None:
    def names(https: bool) -> list[str]:
        traffic = Traffic(
            file_size=524_416, gets=5, request_size=379, reports=9, https=https
        )
        return [one.name for one in cellular(traffic)]

    assert [name for name in names(True) if name not in names(False)] == ["https"]


def test_a_report_fits_its_assumption() -> None:
    """SPEC.md 11, with ids of 16 characters and the longest stage."""
    report = {
        "type": "update_report",
        "device": "0123456789abcdef",
        "id": "0123456789abcdef",
        "stage": "downloading",
        "version": 1_000_000,
        "target": 1_000_001,
        "percent": 100,
    }
    size = len(json.dumps(report, separators=(",", ":")))
    assert size <= Assumptions().report < 1.25 * size


def test_cellular_cost_is_for_both_directions(article: PriceList) -> None:
    cost = cost_of(article, "aws", cellular_price=Decimal("0.5"))
    device, fleet = cost.cellular_cost(1), cost.cellular_cost(50_000)
    assert device and fleet
    moved = cost.received + cost.sent
    assert device.amount * 2 * 1024**2 == moved
    assert fleet.amount == device.amount * 50_000
    assert cost_of(article, "aws").cellular_cost(1) is None


# Refusals.


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"devices": 0}, r"expected devices to be 1\.\.10\^12, got 0"),
        ({"devices": -5}, r"expected devices to be 1\.\.10\^12, got -5"),
        ({"devices": 10**13}, "expected devices"),
        ({"image_size": 0}, "expected image size"),
        ({"days": 0}, "expected days"),
        ({"request_size": 0}, "expected request size"),
        ({"publishes": 0}, "expected publishes"),
        ({"gets": 0}, "expected GETs per device"),
        ({"reports": -1}, "expected reports per device to be 0"),
        ({"gets": 1, "in_parts": True}, "not both"),
        ({"cellular_price": Decimal("-1")}, "expected a cellular price"),
        ({"cellular_price": Decimal("NaN")}, "expected a cellular price"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_plan_that_cannot_be_is_refused(
    changes: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        Plan(profile="aws", **{**ARTICLE, **changes})  # type: ignore[arg-type]


def test_an_unknown_profile_is_refused(article: PriceList) -> None:
    with pytest.raises(UsageError, match="no profile 'azure', expected aws, gcp"):
        cost_of(article, "azure")


def test_an_unknown_list_is_refused() -> None:
    with pytest.raises(UsageError, match=r"unknown price list 'x', expected article-"):
        load_prices("x")


def test_a_list_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        load_prices(str(tmp_path / "none.yml"))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("colour=1", "unknown assumption 'colour', expected one of segment"),
        ("topic", "expected topic=BYTES, got 'topic'"),
        ("topic=x", "expected topic=BYTES"),
        ("topic=-1", "expected topic=BYTES"),
        ("segment=0", r"expected segment to be 1\.\."),
        ("topic=9999999", "expected topic to be 0"),
        ("topic=99999999999999999999", "expected topic to be 0"),
    ],
)
def test_an_assumption_that_cannot_be_is_refused(setting: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Assumptions().changed([setting])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"2026-11-01"', "soon", "expected date as YYYY-MM-DD, got 'soon'"),
        ('"2026-11-01"', "7", "expected date as YYYY-MM-DD, got '7'"),
        ("meter: messages", "meter: words", "expected meter to be messages or volume"),
        ("[publish]", "[connect]", "to list publish or puback, got 'connect'"),
        ("[publish]", "publish", "expected request_publish to be a list of texts"),
        ('"0.5"', '"cheap"', "expected price to be a price, got 'cheap'"),
        ('"0.5"', "[1]", "expected price to be a price"),
        ('"0.5"', "true", "expected price to be a price"),
        ('"0.5"', "-1", "expected price to be 0 or more"),
        ('"0.5"', ".nan", "expected price to be 0 or more"),
        ('"0.5"', ".inf", "expected price to be 0 or more"),
        ("increment: 5120", "increment: 0", "expected increment to be at least 1"),
        ("increment: 5120", "minimum: 1", "unknown key 'minimum'"),
        ("gets: 1,", "", "key 'gets' is missing"),
        ("currency: EUR", "", "key 'currency' is missing"),
        ("profiles:", "counting: {file: zip}\nprofiles:", "file to be image or ebin"),
        (
            "profiles:",
            "counting: {reports_in_total: 1}\nprofiles:",
            "expected reports_in_total to be true or false",
        ),
        ("profiles:", "profiles: {}\nrest:", "unknown key 'rest'"),
    ],
)
def test_a_list_that_is_wrong_says_where(old: str, new: str, message: str) -> None:
    assert old in OWN
    with pytest.raises(FormatError, match=message) as caught:
        parse_prices(OWN.replace(old, new, 1), source="own.yml")
    assert str(caught.value).startswith("own.yml: ")


def test_a_list_without_profiles_is_refused() -> None:
    text = OWN.split("profiles:")[0] + "profiles: {}\n"
    with pytest.raises(FormatError, match="expected at least one, got none"):
        parse_prices(text, source="own.yml")


# What comes with the project.


@pytest.mark.parametrize("name", known_names())
def test_every_list_has_its_name_a_date_and_sources(name: str) -> None:
    prices = load_prices(name)
    assert prices.name == name
    assert prices.sources and prices.date


def test_json_has_stable_names(article: PriceList) -> None:
    report = as_json(cost_of(article, "aws", cellular_price=Decimal("0.1")))
    assert list(report) == [
        *("prices", "profile", "broker", "storage", "devices", "image_size"),
        *("billed_size", "days", "request_size", "publishes", "gets_per_device"),
        *("reports_per_device", "groups", "total", "cellular"),
    ]
    assert [group["name"] for group in report["groups"]] == [
        *("request", "data", "reports"),
    ]
    assert report["groups"][0]["items"][0] == {
        "name": "messages",
        "quantity": "100002",
        "unit": "message",
        "unit_price": "1",
        "per": 1000000,
        "formula": "(1 x 2 + 50000 x 2) messages x 1 / 1000000",
        "amount": "0.100002",
        "rounded": "0.10",
    }
    assert report["total"] == {
        "amount": "2.317270245442708333333333333",
        "rounded": "2.33",
    }
    assert list(report["cellular"]) == ["items", "price_per_mb", "device", "fleet"]


def test_the_usual_request_has_the_size_that_is_assumed() -> None:
    """One URL of 100 characters, and an id like ota-publish's."""
    info, _ = seal(b"app", version=7, fp_base=0x1000, key=bytes(16), iv=bytes(16))
    url = "https://example.com/".ljust(100, "x")
    request = OtaJson(url=url, alt_url="", fw_info=info, id="fw7-20300101-1a2b3c")
    assert len(request.pack()) == REQUEST_SIZE
    own = cost_of(parse_prices(OWN, source="own.yml"), "here")
    assert own.request_size == REQUEST_SIZE
