# SPDX-License-Identifier: Apache-2.0
"""Errors of the host tools, split by who must act.

OtaError                exit 1
├── UsageError          exit 2   the caller asked for something that cannot be
├── FormatError         exit 1   bytes are not what their format says
├── VerifyError         exit 3   a hash, size or read-back does not verify
├── BuildError          exit 1   a tool failed or an image does not fit
├── ModemError          exit 1   the modem refused; its code is kept
│   └── ModemRebooted   exit 1   the modem restarted in mid-exchange
├── LinkError           exit 1   the wire: no answer, lost bytes
├── NoDeviceError       exit 4   no probe, no port, no tool to reach the board
└── UnreachableError    exit 4   no broker, store or file server answers

A message is one sentence: what was expected, what came, where.
"""

from __future__ import annotations


class OtaError(Exception):
    """Base of every expected failure."""

    exit_code = 1


class UsageError(OtaError):
    """Arguments that cannot work."""

    exit_code = 2


class FormatError(OtaError):
    """Bytes that do not follow their format."""


class VerifyError(OtaError):
    """Something that should be equal is not."""

    exit_code = 3


class BuildError(OtaError):
    """A build step failed."""


class ModemError(OtaError):
    """The modem answered with an error; `code` is its number when it gave one."""

    def __init__(
        self, message: str, *, command: str = "", code: int | None = None
    ) -> None:
        super().__init__(message)
        self.command = command
        self.code = code


class ModemRebooted(ModemError):
    """The modem restarted in the middle of an exchange."""


class LinkError(OtaError):
    """The serial link failed."""


class NoDeviceError(OtaError):
    """Nothing to talk to."""

    exit_code = 4


class UnreachableError(OtaError):
    """A broker, store or file server cannot be reached, or lets nobody in."""

    exit_code = 4
