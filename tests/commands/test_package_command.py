# SPDX-License-Identifier: Apache-2.0
"""`west ota-package`: the command."""

from __future__ import annotations

import argparse
import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from nrfota import cli
from nrfota.hexfile import read_hex, write_hex
from nrfota.ota_json import OtaJson
from nrfota.segment import Segment
from support.elf_builder import Elf, Section, counting

ROOT = Path(__file__).resolve().parents[2]
KEY = bytes(range(16))
IV = bytes.fromhex("00112233445566778899aabbccddeeff")
TEXT = Section(".text", 0x1000, 1000)
PLAIN = counting(0x1000, 1000)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with everything that can go in."""
    (tmp_path / "key").write_bytes(KEY)
    (tmp_path / "iv").write_bytes(IV)
    (tmp_path / "app.elf").write_bytes(Elf((TEXT,)).build())
    (tmp_path / "app.hex").write_text(write_hex([Segment(0x1000, PLAIN, "x")]))
    (tmp_path / "behind.elf").write_bytes(Elf((Section(".text", 0x27000, 64),)).build())
    softdevice = [
        Segment(0, bytes(0xB00), "x"),
        Segment(0x1000, counting(0x1000, 0x1234), "x"),
    ]
    (tmp_path / "sd.hex").write_text(write_hex(softdevice))
    built = tmp_path / "build"
    for name, section in (
        ("app/app.elf", TEXT),
        ("mbr/mbr.elf", Section(".text", 0x0, 100)),
        ("bootloader/bootloader.elf", Section(".text", 0xF6000, 200)),
    ):
        (built / name).parent.mkdir(parents=True)
        (built / name).write_bytes(Elf((section,)).build())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def package(*arguments: str) -> int:
    return cli.main(["package", *arguments])


FIXED = ("--key-file", "key", "--iv-file", "iv", "-A", "7", "-u", "https://a/b")


def test_elf_becomes_ebin_and_json(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The normal case; both files and what is said about them."""
    code = package("--elf-file", "app.elf", "-a", "http://c", "-o", "out", *FIXED)
    assert code == 0
    message = OtaJson.unpack((folder / "out/ota.json").read_bytes())
    assert (message.url, message.alt_url) == ("https://a/b", "http://c")
    info = message.fw_info
    assert (info.version, info.fp_base, info.pbin_size) == (7, 0x1000, 1000)
    ebin = (folder / "out/ota.ebin").read_bytes()
    assert ebin[:112] == info.public().pack()
    assert stat.S_IMODE((folder / "out/ota.json").stat().st_mode) == 0o600
    assert {path.name for path in (folder / "out").iterdir()} == {
        "ota.ebin",
        "ota.json",
    }
    output = capsys.readouterr().out
    assert "app version 7: 1000 bytes at 0x00001000, 0.1 % of 978944" in output
    assert "out/ota.json  (holds the key)" in output
    assert KEY.hex() not in output


def test_bytes_are_those_of_openssl(folder: Path) -> None:
    """Cipher text and fw_info, made again with the openssl command line.

    openssl enc -aes-128-cbc -K KEY -iv IV; openssl dgst -sha256
    """

    def openssl(*arguments: str, data: bytes) -> bytes:
        return subprocess.run(
            ["openssl", *arguments], input=data, capture_output=True, check=True
        ).stdout

    assert package("--elf-file", "app.elf", "--no-header", "-o", ".", *FIXED) == 0
    cipher = openssl(
        "enc", "-aes-128-cbc", "-K", KEY.hex(), "-iv", IV.hex(), data=PLAIN
    )
    assert (folder / "ota.ebin").read_bytes() == cipher
    digits = json.loads((folder / "ota.json").read_text())["fw_info"]
    assert digits == (
        "0700000000100000e8030000f0030000"
        + KEY.hex()
        + IV.hex()
        + openssl("dgst", "-sha256", "-binary", data=PLAIN).hex()
        + openssl("dgst", "-sha256", "-binary", data=cipher).hex()
    )


def test_hex_gives_the_same_as_elf(folder: Path) -> None:
    """Two forms of one program."""
    assert package("--elf-file", "app.elf", "-o", "a", *FIXED) == 0
    assert package("--hex-file", "app.hex", "-o", "b", *FIXED) == 0
    for name in ("ota.ebin", "ota.json"):
        assert (folder / "a" / name).read_bytes() == (folder / "b" / name).read_bytes()


def test_key_and_iv_are_fresh_for_every_package(folder: Path) -> None:
    """Without files for them."""
    seen = set()
    for name in ("a", "b"):
        options = ("-A", "7", "-u", "https://a/b", "-o", name)
        assert package("--elf-file", "app.elf", *options) == 0
        info = OtaJson.unpack((folder / name / "ota.json").read_bytes()).fw_info
        seen |= {info.aes_key, info.aes_iv}
    assert len(seen) == 4


def test_build_directory_is_enough(folder: Path) -> None:
    """Its application, and outputs beside it."""
    assert package("-d", "build", "-A", "1", "-u", "http://a") == 0
    assert (folder / "build/ota/ota.ebin").is_file()


def test_softdevice_in_front(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The image starts at 0x1000 and says what was dropped."""
    options = ("--softdevice", "sd.hex", "-o", "out", "--json", *FIXED)
    assert package("--elf-file", "behind.elf", *options) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["fp_base"], report["pbin_size"]) == (0x1000, 0x26040)
    assert report["notices"][0].startswith("dropped 2816 bytes of the SoftDevice file")


def test_factory_hex_has_everything(folder: Path) -> None:
    """Private when it holds the key."""
    options = ("-d", "build", "--factory", *FIXED)
    assert package(*options, "-o", "a") == 0
    assert package(*options, "-o", "b", "--modem-path", "E:/fw_7.ebin") == 0
    modes = [
        stat.S_IMODE((folder / name / "factory.hex").stat().st_mode) & 0o077
        for name in "ab"
    ]
    assert modes[1] == 0 and modes[0] != 0
    segments = read_hex((folder / "a/factory.hex").read_bytes(), source="x")
    assert [segment.address for segment in segments] == [0x0, 0xF6000, 0xFC000]
    code = cli.main(["inspect", "b/factory.hex", "--ota-json", "b/ota.json"])
    assert code == 0


def test_factory_hex_with_another_boot_record(folder: Path) -> None:
    """Its page is kept and the UICR words are added."""
    record = [Segment(0, b"MBR!" * 64, "x")]
    (folder / "mbr.hex").write_text(write_hex(record))
    options = ("-d", "build", "--factory", "--mbr", "mbr.hex", "-o", "out", *FIXED)
    assert package(*options) == 0
    segments = read_hex((folder / "out/factory.hex").read_bytes(), source="x")
    assert bytes(segments[0].data) == b"MBR!" * 64
    assert segments[-1].address == 0x10001014
    assert cli.main(["inspect", "out/factory.hex"]) == 0


def test_bootloader_can_be_named(folder: Path) -> None:
    """For builds elsewhere."""
    (folder / "build/bootloader/bootloader.elf").rename(folder / "bl.elf")
    options = ("-d", "build", "--factory", "--bootloader", "bl.elf", "-o", "o", *FIXED)
    assert package(*options) == 0


def test_bootloader_is_packed_by_the_same_command(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its address says what it is."""
    elf = "build/bootloader/bootloader.elf"
    assert package("--elf-file", elf, "-o", "out", "--json", *FIXED) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["region"], report["fp_base"]) == ("bootloader", 0xF6000)


def test_uicr_is_kept_for_factory_hex_alone(folder: Path) -> None:
    """With --allow-uicr."""
    sections = (TEXT, Section(".uicr", 0x10001200, 8))
    (folder / "u.elf").write_bytes(Elf(sections).build())
    options = ("--allow-uicr", "--factory", "-d", "build", "-o", "out", *FIXED)
    assert package("--elf-file", "u.elf", *options) == 0
    segments = read_hex((folder / "out/factory.hex").read_bytes(), source="x")
    assert (segments[-1].address, len(segments[-1].data)) == (0x10001200, 8)
    info = OtaJson.unpack((folder / "out/ota.json").read_bytes()).fw_info
    assert info.pbin_size == 1000


def test_another_layout_moves_the_limits(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--layout."""
    text = (ROOT / "templates/layout.yml").read_text()
    small = text.replace(
        "{start: 0x00001000, end: staging", "{start: 0x2000, size: 0x1000"
    )
    small = small[: small.index("softdevices:")]
    (folder / "layout.yml").write_text(small)
    code = package("--elf-file", "app.elf", "--layout", "layout.yml", *FIXED)
    assert code == 1
    assert "leaves region 'app' (0x00002000..0x00003000)" in capsys.readouterr().err


BAD = {
    "version": (
        ("--elf-file", "app.elf", "-A", "4294967296", "-u", "http://a"),
        2,
        "version: expected 0..4294967295, got '4294967296'",
    ),
    "no_url": (
        ("--elf-file", "app.elf", "-A", "1"),
        2,
        "expected --url or --alternate-url, got neither",
    ),
    "url": (
        ("--elf-file", "app.elf", "-A", "1", "-u", "ftp://a"),
        2,
        "url: expected http:// or https://, got ftp://...",
    ),
    "alternate_url": (
        ("--elf-file", "app.elf", "-A", "1", "-a", "a b"),
        2,
        "alt_url: expected printable ASCII",
    ),
    "no_image": (
        ("-d", "nowhere", "-A", "1", "-u", "http://a"),
        2,
        "no image: expected --elf-file, --hex-file, or one of app/app.elf, "
        "zephyr/zephyr.elf in 'nowhere'",
    ),
    "missing_elf": (
        ("--elf-file", "none.elf", "-A", "1", "-u", "http://a"),
        2,
        "cannot read 'none.elf': No such file or directory",
    ),
    "hex_as_elf": (
        ("--elf-file", "app.hex", "-A", "1", "-u", "http://a"),
        1,
        "app.hex: expected an ELF file starting with 7f454c46",
    ),
    "elf_as_hex": (
        ("--hex-file", "app.elf", "-A", "1", "-u", "http://a"),
        1,
        "app.elf: line 1: expected a record starting with ':'",
    ),
    "key_without_iv": (
        ("--elf-file", "app.elf", "-A", "1", "-u", "http://a", "--key-file", "key"),
        2,
        "expected --key-file and --iv-file together, got one",
    ),
    "key_size": (
        (
            "--elf-file",
            "app.elf",
            "-A",
            "1",
            "-u",
            "http://a",
            "--key-file",
            "app.hex",
            "--iv-file",
            "iv",
        ),
        1,
        "key file 'app.hex': expected 16 bytes, got more",
    ),
    "iv_size": (
        (
            "--elf-file",
            "app.elf",
            "-A",
            "1",
            "-u",
            "http://a",
            "--key-file",
            "key",
            "--iv-file",
            "/dev/null",
        ),
        1,
        "iv file '/dev/null': expected 16 bytes, got 0",
    ),
    "endless_key": (
        (
            "--elf-file",
            "app.elf",
            "-A",
            "1",
            "-u",
            "http://a",
            "--key-file",
            "/dev/zero",
            "--iv-file",
            "iv",
        ),
        1,
        "key file '/dev/zero': expected 16 bytes, got more",
    ),
    "modem_path_without_factory": (
        ("--elf-file", "app.elf", "--modem-path", "E:/a", *FIXED),
        2,
        "--modem-path is of use only with --factory",
    ),
    "mbr_without_factory": (
        ("--elf-file", "app.elf", "--mbr", "app.hex", *FIXED),
        2,
        "--mbr is of use only with --factory",
    ),
    "modem_path": (
        ("-d", "build", "--factory", "--modem-path", "fw.ebin", *FIXED),
        2,
        "modem path: expected DRIVE:/NAME like E:/fw_1.ebin",
    ),
    "softdevice_missing": (
        ("--elf-file", "behind.elf", *FIXED),
        1,
        "an application behind a SoftDevice needs --softdevice",
    ),
    "factory_without_boot_record": (
        ("--elf-file", "app.elf", "-d", "nowhere", "--factory", *FIXED),
        2,
        "cannot read 'nowhere/bootloader/bootloader.elf'",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_work_is_refused_before_anything_is_written(
    folder: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    """One sentence, its exit code, and no output file."""
    arguments, code, message = BAD[case]
    assert package(*arguments, "-o", "out") == code
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (folder / "out").exists()


def test_defaults_come_from_west_config(folder: Path) -> None:
    """`west config ota.KEY`; the command line wins."""
    command = cli.load("package")
    parser = argparse.ArgumentParser()
    config = {
        "url": "http://config",
        "alternate-url": "http://other",
        "build-dir": "theirs",
        "output-dir": "out",
        "layout": "their.yml",
        "softdevice": "sd.hex",
    }
    command.add_arguments(parser, config)
    args = parser.parse_args(["-A", "1", "-u", "http://line"])
    assert (args.url, args.alternate_url) == ("http://line", "http://other")
    assert (args.build_dir, args.output_dir) == (Path("theirs"), Path("out"))
    assert (args.layout, args.softdevice) == (Path("their.yml"), Path("sd.hex"))


def test_both_image_files_are_a_usage_error(folder: Path) -> None:
    """One or the other."""
    with pytest.raises(SystemExit) as stop:
        package("--elf-file", "app.elf", "--hex-file", "app.hex", *FIXED)
    assert stop.value.code == 2


def test_as_a_west_command(folder: Path) -> None:
    """The real entry point."""
    west = Path(sys.executable).with_name("west")
    done = subprocess.run(
        [
            str(west),
            "ota-package",
            "--elf-file",
            str(folder / "app.elf"),
            "-A",
            "7",
            "-u",
            "https://a/b",
            "-o",
            str(folder / "out"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "out/ota.ebin").is_file()


def test_as_a_python_module(folder: Path) -> None:
    """Without west."""
    done = subprocess.run(
        [sys.executable, "-m", "nrfota", "package", "--elf-file", "app.elf", *FIXED],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "ota.json").is_file()


def test_the_way_to_a_package_imports_nothing_slow(folder: Path) -> None:
    """Modules that cost more than packing itself."""
    program = (
        "import sys; from nrfota import cli; "
        f"code = cli.main(['package', '--elf-file', 'app.elf', *{FIXED!r}]); "
        "slow = {'jinja2', 'rich', 'pyocd', 'elftools', 'intelhex', 'serial'}; "
        "print(sorted(slow & set(sys.modules)), file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "[]\n")
