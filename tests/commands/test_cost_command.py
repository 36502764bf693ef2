# SPDX-License-Identifier: Apache-2.0
"""`west ota-cost`: the command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from nrfota import cli
from support.firmware import ROOT

ARTICLE = [
    *("--devices", "50000", "--image-size", "524288", "--days", "7"),
    *("--prices", "article-2020"),
]


def cost(*arguments: str) -> int:
    return cli.main(["cost", *arguments])


def test_the_table_shows_each_item_exactly_and_in_cents(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cost("--profile", "aws", *ARTICLE, "--cellular-price", "0.1") == 0
    lines = [
        [cell.strip() for cell in line.split("│")[1:-1]]
        for line in capsys.readouterr().out.splitlines()
    ]
    assert [
        "messages",
        "100,002 message",
        "(1 x 2 + 50000 x 2) messages x 1 / 1000000",
        "0.100002",
        "0.10",
    ] in lines
    rows = {line[0]: line[-1] for line in lines if line}
    assert rows["data"] == "2.23"
    assert rows["total"] == "2.33"
    assert rows["reports (not in the total)"] == "1.35"
    assert rows["device"] == "0.05"
    assert rows["fleet"] == "2698.83"


def test_the_notes_say_where_prices_come_from(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cost("--profile", "gcp", *ARTICLE) == 0
    said = capsys.readouterr().out
    assert "source: OTA Firmware Updates with nRF52840 and SIM7600E" in said
    assert "the bill counts the image; the bytes count ota.ebin" in said


def test_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--request-size", "6144", "--parts", "--json", "--http"]
    assert cost("--profile", "aws", *ARTICLE, *options) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["groups"][0]["items"][0]["quantity"] == "150003"
    assert report["gets_per_device"] == 5
    assert "https" not in [item["name"] for item in report["cellular"]["items"]]


def test_an_own_list_is_a_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "own.yml"
    own.write_text(
        "{name: own, date: 2026-11-01, currency: EUR, sources: [offer], profiles: "
        "{p: {storage: {name: disk, gb_month: 0, get: 0, gets: 1, transfer_gb: 1}}}}"
    )
    given = ["--devices", "1024", "--image-size", "1048448", "--days", "1"]
    assert cost("--profile", "p", *given, "--prices", str(own)) == 0
    said = capsys.readouterr().out
    assert "own has no broker for p: add your own" in said
    assert "1.00" in said


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--devices", "0"], "expected devices to be 1..10^12, got 0"),
        (["--devices", "-5"], "expected devices to be 1..10^12, got -5"),
        (
            ["--profile", "azure"],
            "price list 'article-2020' has no profile 'azure', expected aws, gcp",
        ),
        (
            ["--prices", "2031"],
            "unknown price list '2031', expected article-2020 or the path of a .yml "
            "file",
        ),
        (
            ["--prices", "/none.yml"],
            "cannot read '/none.yml': No such file or directory",
        ),
        (["--cellular-price", "x"], "expected a price per MB, got 'x'"),
        (["--assume", "topic=x"], "expected topic=BYTES, got 'topic=x'"),
    ],
    ids=["zero", "negative", "profile", "prices", "no_file", "price", "assume"],
)
def test_what_cannot_be_is_one_sentence_and_exit_2(
    changes: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cost("--profile", "aws", *ARTICLE, *changes) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == f"nrfota cost: {message}\n"


def test_a_wrong_list_is_exit_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.yml").write_text("name: own\n")
    arguments = [*ARTICLE[:-1], str(tmp_path / "own.yml")]
    assert cost("--profile", "aws", *arguments) == 1
    assert capsys.readouterr().err.endswith("own.yml: key 'date' is missing\n")


def test_gets_and_parts_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cost("--profile", "aws", *ARTICLE, "--gets", "1", "--parts")
    assert "not allowed with argument" in capsys.readouterr().err


def test_west_offers_it_and_help_lists_the_prices() -> None:
    """The subprocess that proves the registration."""
    said = subprocess.run(
        [str(Path(sys.executable).with_name("west")), "ota-cost", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "(article-2020)" in " ".join(said.split())
