# SPDX-License-Identifier: Apache-2.0
"""Typed access to a small YAML file, with messages that say where.

A `Node` is a mapping of the file; each accessor returns a value of one type or
raises FormatError: unknown key, missing key, key given twice, wrong type.

    node = parse("name: x", source="board.yml")
    node.allow(("name",))
    node.text("name")
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nrfota.errors import FormatError, UsageError

WORD_LIMIT = 1 << 32

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]
    """Safe loader that refuses a key given twice."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = key_node.value
            if isinstance(key, str) and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key '{key}' is given twice", key_node.start_mark
                )
            if isinstance(key, str):
                seen.add(key)
        result: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return result


@dataclass(frozen=True)
class Node:
    """A mapping of the file and the place it stands at."""

    values: dict[str, Any]
    where: str

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def __iter__(self) -> Iterator[str]:
        return iter(self.values)

    def allow(self, required: Iterable[str], *, optional: Iterable[str] = ()) -> None:
        """Refuses keys that are neither required nor optional, and missing ones."""
        needed = tuple(required)
        known = (*needed, *optional)
        for key in self.values:
            if key not in known:
                raise FormatError(
                    f"{self.where}: unknown key '{key}', expected {', '.join(known)}"
                )
        for key in needed:
            if key not in self.values:
                raise FormatError(f"{self.where}: key '{key}' is missing")

    def mapping(self, key: str) -> Node:
        """The mapping at `key`."""
        value = self._get(key)
        where = f"{self.where}: {key}" if ": " not in self.where else None
        return _node(value, where=where or f"{self.where}.{key}")

    def integer(self, key: str) -> int:
        """The number at `key`, 0..2^32-1."""
        value = self._get(key)
        if not isinstance(value, int) or isinstance(value, bool):
            raise FormatError(
                f"{self.where}: expected {key} to be a number, got {_show(value)}"
            )
        if not 0 <= value < WORD_LIMIT:
            raise FormatError(
                f"{self.where}: expected {key} to be 0..0xffffffff, got {value}"
            )
        return value

    def text(self, key: str) -> str:
        """The text at `key`."""
        value = self._get(key)
        if not isinstance(value, str):
            raise FormatError(
                f"{self.where}: expected {key} to be text, got {_show(value)}"
            )
        return value

    def flag(self, key: str) -> bool:
        """The yes or no at `key`."""
        value = self._get(key)
        if not isinstance(value, bool):
            raise FormatError(
                f"{self.where}: expected {key} to be true or false, got {_show(value)}"
            )
        return value

    def optional_text(self, key: str) -> str | None:
        """The text at `key`, or None for `null`."""
        return None if self._get(key) is None else self.text(key)

    def _get(self, key: str) -> Any:
        if key not in self.values:
            raise FormatError(f"{self.where}: key '{key}' is missing")
        return self.values[key]


def read_text(path: Path) -> str:
    """The text of a file; raises UsageError when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot read '{path}': {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise FormatError(
            f"{path}: expected UTF-8 text, got byte 0x{error.object[error.start]:02x} "
            f"at offset {error.start}"
        ) from None


def parse(text: str, *, source: str) -> Node:
    """The top mapping of a YAML text."""
    try:
        value = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise FormatError(f"{source}: {_yaml_problem(error)}") from None
    except (ValueError, RecursionError, OverflowError, KeyError, TypeError) as error:
        # PyYAML lets some values it cannot build escape as plain exceptions
        raise FormatError(f"{source}: not readable as YAML ({error})") from None
    return _node(value, where=source)


def _yaml_problem(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    line = f"line {mark.line + 1}: " if mark is not None else ""
    return f"{line}{problem}"


def _node(value: Any, *, where: str) -> Node:
    if not isinstance(value, dict):
        # A file of a password or a key, given by mistake, is text, too.
        shown = "text" if isinstance(value, str) else _show(value)
        raise FormatError(f"{where}: expected a mapping, got {shown}")
    for key in value:
        if not isinstance(key, str):
            raise FormatError(f"{where}: expected text as key, got {_show(key)}")
    return Node(value, where)


def _show(value: Any) -> str:
    kinds = {dict: "a mapping", list: "a list", type(None): "nothing"}
    return kinds.get(type(value), f"{value!r}"[:60])
