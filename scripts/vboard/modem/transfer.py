# SPDX-License-Identifier: Apache-2.0
"""File transfer over the UART: AT+CFTRANRX (host to modem) and AT+CFTRANTX.

CFTRANRX: a prompt, then exactly the announced number of raw bytes, for ever if need
be. CFTRANTX: blocks of at most 512 bytes, each behind `+CFTRANTX: DATA,n`.
"""

from __future__ import annotations

from vboard.clock import NS_PER_MS, NS_PER_S, NS_PER_US
from vboard.modem import faults as fault
from vboard.modem.at import (
    CRLF,
    Ask,
    AtError,
    Block,
    Call,
    Form,
    Handler,
    Say,
    Script,
    Wait,
)
from vboard.modem.chapter import Chapter
from vboard.modem.storage import StorageError

_MAX = 2_147_483_647


class Transfer(Chapter):
    """AT+CFTRANRX, AT+CFTRANTX."""

    def commands(self) -> dict[str, Handler]:
        return {"CFTRANRX": self.cftranrx, "CFTRANTX": self.cftrantx}

    def _file(self, call: Call) -> str:
        """The full path of the first argument."""
        text = call.args[0].string(4, 254)
        if text[1:3] != ":/" or text.endswith("/"):
            raise AtError
        return self.modem.files.path(text)

    def cftranrx(self, call: Call) -> Script:
        if call.form is Form.TEST:
            yield Say('+CFTRANRX: [{non-ascii}]"FILEPATH"')
            return
        call.need(Form.SET, 2)
        profile, files, storage = (
            self.modem.profile,
            self.modem.files,
            self.modem.storage,
        )
        path, size = self._file(call), call.args[1].number(0, _MAX)
        try:
            exists = storage.is_file(path)
            if storage.is_dir(path) or not storage.host(path).parent.is_dir():
                raise AtError
        except StorageError:
            raise AtError from None
        if exists and profile.overwrite == "error":
            raise AtError
        room = files.free(path[0]) + (storage.size(path) if exists else 0)
        if size > room and profile.full == "prompt":
            raise AtError

        def aborted(data: bytes) -> None:
            if profile.aborted_upload == "partial":
                storage.write(path, data, seconds=self.modem.seconds())

        data = yield Ask(size, on_abort=aborted)
        yield Wait(
            profile.commit_ms * NS_PER_MS + size * NS_PER_S // profile.commit_rate
        )
        if size > room:
            raise AtError
        try:
            storage.write(path, data, seconds=self.modem.seconds())
        except (StorageError, OSError):
            raise AtError from None

    def cftrantx(self, call: Call) -> Script:
        call.need(Form.SET, 1, 3)
        profile, storage = self.modem.profile, self.modem.storage
        if len(call.args) == 2:
            raise AtError
        path = self._file(call)
        try:
            total = storage.size(path)
        except StorageError:
            raise AtError from None
        offset, size = 0, total
        if len(call.args) == 3:
            offset, size = (arg.number(0, _MAX) for arg in call.args[1:])
            if offset >= total and profile.past_end == "error":
                raise AtError
            if offset + size > total and not profile.clip_at_end:
                raise AtError
        short = self.modem.faults.hit(fault.ShortRead, call.name)
        if profile.leading_ok:
            yield Say("OK")
        data = storage.read(path, offset=offset, size=size)
        if short is not None:
            data = data[: max(0, len(data) - short.missing)]
        tail = CRLF if profile.data_crlf else b""
        for index, start in enumerate(range(0, len(data), profile.block)):
            if 0 < profile.catr_blocks == index and self.modem.basic.catr != 1:
                # The output ends here and no result ever comes.
                self.modem.runner.be_silent()
                return
            if index:
                yield Wait(profile.block_gap_us * NS_PER_US)
            block = data[start : start + profile.block]
            length = profile.length_format % len(block)
            yield Block(f"+CFTRANTX: DATA,{length}", block, tail)
        yield Say("+CFTRANTX: 0")
