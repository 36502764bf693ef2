# SPDX-License-Identifier: Apache-2.0
"""File system commands (AT manual, chapter "File system").

All but FSCD and FSCOPY take a bare name in the current folder, which is the only
state and is back at its default after a reset. What fails is a plain ERROR.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from vboard.clock import NS_PER_MS
from vboard.modem.at import AtError, Call, Final, Form, Handler, Say, Script, Wait
from vboard.modem.chapter import Chapter
from vboard.modem.storage import StorageError

_COPY_STEPS = ("1.0", "25.0", "50.0", "75.0", "100.0")


class FileSystem(Chapter):
    """AT+FS*."""

    def reset(self) -> None:
        self.current = self.modem.profile.start_dir

    def commands(self) -> dict[str, Handler]:
        return {
            "FSCD": self.fscd,
            "FSMKDIR": self.fsmkdir,
            "FSRMDIR": self.fsrmdir,
            "FSLS": self.fsls,
            "FSDEL": self.fsdel,
            "FSRENAME": self.fsrename,
            "FSATTRI": self.fsattri,
            "FSMEM": self.fsmem,
            "FSLOCA": self.fsloca,
            "FSCOPY": self.fscopy,
        }

    # Paths, also for the other chapters

    def path(self, text: str) -> str:
        """Normal path of `text` (absolute or in the current folder), else ERROR."""
        try:
            path = self.modem.storage.normal(text, current=self.current)
        except StorageError:
            raise AtError from None
        self.need_drive(path[0])
        return path

    def need_drive(self, drive: str) -> None:
        """ERROR unless the drive is there."""
        profile, plan = self.modem.profile, self.modem.faults
        if not getattr(profile, f"has_{drive}", False) or plan.no_drive(drive):
            raise AtError

    def free(self, drive: str) -> int:
        """Bytes left on a drive."""
        return self.total(drive) - self.modem.storage.used(drive)

    def total(self, drive: str) -> int:
        """Capacity of a drive in bytes."""
        size = getattr(self.modem.profile, f"size_{drive}")
        assert isinstance(size, int)
        return size

    def _name(self, call: Call, index: int = 0) -> str:
        """Path of a bare name argument."""
        text = call.args[index].text
        if "/" in text or ":" in text or text in ("", ".."):
            raise AtError
        return self.path(text)

    # Commands

    def fscd(self, call: Call) -> Sequence[str]:
        if call.form is Form.SET:
            call.need(Form.SET, 1)
            path = self.path(call.args[0].text)
            try:
                if not self.modem.storage.is_dir(path):
                    raise AtError
            except StorageError:
                raise AtError from None
            self.current = path if path.endswith("/") else path + "/"
        elif call.form is not Form.READ:
            raise AtError
        return (f"+FSCD: {self.current}",)

    def fsmkdir(self, call: Call) -> Sequence[str]:
        call.need(Form.SET, 1)
        try:
            self.modem.storage.make_dir(self._name(call))
        except StorageError:
            raise AtError from None
        return ()

    def fsrmdir(self, call: Call) -> Sequence[str]:
        call.need(Form.SET, 1)
        try:
            self.modem.storage.remove_dir(self._name(call))
        except StorageError:
            raise AtError from None
        return ()

    def fsls(self, call: Call) -> Sequence[str]:
        what = 0
        if call.form is Form.SET:
            call.need(Form.SET, 1)
            what = call.args[0].number(0, 2)
        elif call.form is Form.TEST:
            raise AtError
        try:
            dirs, files = self.modem.storage.list(self.path(""))
        except StorageError:
            raise AtError from None
        if call.form is Form.READ:
            return (f"+FSLS: SUBDIRECTORIES:{len(dirs)},FILES:{len(files)}",)
        colon = ":" if self.modem.profile.fsls_colon else ""
        sections = []
        if dirs and what in (0, 1):
            sections.append("\r\n".join([f"+FSLS: SUBDIRECTORIES{colon}", *dirs]))
        if files and what in (0, 2):
            sections.append("\r\n".join([f"+FSLS: FILES{colon}", *files]))
        if sections:
            sections[-1] += "\r\n"
        return sections

    def fsdel(self, call: Call) -> Sequence[str]:
        call.need(Form.SET, 1)
        storage = self.modem.storage
        try:
            if call.args[0].text == "*.*":
                folder = self.path("").rstrip("/") + "/"
                for name in storage.list(folder)[1]:
                    storage.delete(folder + name)
            else:
                storage.delete(self._name(call))
        except StorageError:
            raise AtError from None
        return ()

    def fsrename(self, call: Call) -> Sequence[str]:
        call.need(Form.SET, 2)
        try:
            self.modem.storage.rename(self._name(call), self._name(call, 1))
        except StorageError:
            raise AtError from None
        return ()

    def fsattri(self, call: Call) -> Sequence[str]:
        call.need(Form.SET, 1)
        path, storage = self._name(call), self.modem.storage
        try:
            size, modified = storage.size(path), storage.modified(path)
        except StorageError:
            raise AtError from None
        date = time.strftime("%Y/%m/%d %H:%M:%S %a", time.gmtime(modified))
        return (f"+FSATTRI: {size}, {date}",)

    def fsmem(self, call: Call) -> Sequence[str]:
        call.need(Form.EXEC)
        drive = self.path("")[0]
        used = self.modem.storage.used(drive)
        return (f"+FSMEM: {drive}:({self.total(drive)}, {used})",)

    def fsloca(self, call: Call) -> Sequence[str]:
        if call.form is Form.READ:
            return ("+FSLOCA: 0",)
        call.need(Form.SET, 1)
        call.args[0].number(0, 0)
        return ()

    def fscopy(self, call: Call) -> Script:
        call.need(Form.SET, 2, 3)
        later = len(call.args) == 3 and call.args[2].number(0, 1) == 1
        storage = self.modem.storage
        old, new = (self._copy_path(arg.text) for arg in call.args[:2])
        if old[0] != new[0]:
            raise AtError
        try:
            if not storage.is_file(old):
                raise AtError("FILE NOT EXISTING")
            if storage.host(new).exists():
                raise AtError("FILE IS EXISTING")
            if storage.size(old) > self.free(new[0]):
                raise AtError("EFS HAVE NO ENOUGH MEMORY")
            if later:
                yield Final()
            storage.copy(old, new)
        except (StorageError, OSError):
            raise AtError("WRITE FILE ERROR") from None
        for step in _COPY_STEPS:
            yield Wait(10 * NS_PER_MS)
            yield Say(f"+FSCOPY: {step}")
        if later:
            yield Say("+FSCOPY: END")

    def _copy_path(self, text: str) -> str:
        if text[:2].upper() == "D:" and not self.modem.profile.has_D:
            raise AtError("SD CARD NOT PLUGGED IN")
        return self.path(text)
