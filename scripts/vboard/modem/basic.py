# SPDX-License-Identifier: Apache-2.0
"""Identity, error form, stored settings, power, clock (AT manual chapters 2 to 4).

State: echo, CMEE, CATR, the real-time clock. AT&W stores echo, ATZ brings back what
was stored, AT&F the factory values.
"""

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Sequence

from vboard.clock import NS_PER_S
from vboard.modem.at import AtError, Call, Form, Handler
from vboard.modem.chapter import Chapter

RTC_START_S = 315_964_800  # 1980-01-06 00:00:00 UTC, the clock before any sync
_CLOCK = re.compile(r"(\d\d)/(\d\d)/(\d\d),(\d\d):(\d\d):(\d\d)([+-]\d\d)?")
_MANUFACTURER = "SIMCOM INCORPORATED"
_FUNCTIONS = (0, 1, 4, 5, 6, 7)
_ONLY = {
    "Q": (0,),
    "V": (1,),
    "X": (0, 1, 2, 3, 4),
    "&C": (0, 1),
    "&D": (0, 1, 2),
    "&S": (0, 1),
}


class Basic(Chapter):
    """Commands that every session begins with."""

    def reset(self) -> None:
        profile = self.modem.profile
        settings = self.modem.storage.load_settings()
        self.modem.line.echo = settings.get("echo", 1) != 0
        self.cmee = profile.cmee
        self.catr = profile.catr
        self.function = 1
        self.csclk = 0
        self.rings = 0
        self.ctzu = 1 if settings.get("ctzu") == 1 else 0
        self.ctzr = 0
        self.quarter_hours = 0
        self.set_time(RTC_START_S)

    def set_time(self, seconds: int) -> None:
        """Sets the clock, in seconds since 1970 UTC."""
        self.rtc_base_s = seconds - self.modem.clock.now_ns // NS_PER_S

    def store(self, **values: int) -> None:
        """Keeps settings over power cycles."""
        settings = self.modem.storage.load_settings()
        settings.update(values)
        self.modem.storage.save_settings(settings)

    def commands(self) -> dict[str, Handler]:
        return {
            "AT": self.at,
            "E": self.echo,
            "Q": self.only,
            "V": self.only,
            "X": self.only,
            "&C": self.only,
            "&D": self.only,
            "&S": self.only,
            "S0": self.set_s0,
            "I": self.identify,
            "&W": self.save,
            "&F": self.factory,
            "Z": self.restore,
            "CGMI": self.cgmi,
            "GCAP": self.gcap,
            "CGMM": self.cgmm,
            "CGMR": self.cgmr,
            "CGSN": self.cgsn,
            "CSUB": self.csub,
            "SIMCOMATI": self.simcomati,
            "CMEE": self.set_cmee,
            "CATR": self.set_catr,
            "CSCLK": self.set_csclk,
            "CRESET": self.creset,
            "CPOF": self.cpof,
            "CFUN": self.cfun,
            "CCLK": self.cclk,
            "CTZU": self.set_ctzu,
            "CTZR": self.set_ctzr,
        }

    def at(self, call: Call) -> Sequence[str]:
        return ()

    def echo(self, call: Call) -> Sequence[str]:
        value = call.args[0].number(0, 1) if call.args else 0
        self.modem.line.echo = value == 1
        return ()

    def only(self, call: Call) -> Sequence[str]:
        """Settings of which the emulated modem has one: other values are ERROR.

        Result codes are always printed, as words; DTR, DCD and DSR are not wired.
        """
        allowed = _ONLY[call.name]
        if call.args and call.args[0].number(0, 9) not in allowed:
            raise AtError
        if not call.args and 0 not in allowed:
            raise AtError
        return ()

    def set_s0(self, call: Call) -> Sequence[str]:
        """Rings before an answer; there are no calls to answer."""
        if call.form is Form.READ:
            return (f"{self.rings:03d}",)
        self.rings = call.args[0].number(0, 255)
        return ()

    def identify(self, call: Call) -> Sequence[str]:
        call.need(Form.EXEC)
        profile = self.modem.profile
        return (
            f"Manufacturer: {_MANUFACTURER}\r\n"
            f"Model: {profile.model}\r\n"
            f"Revision: {profile.revision}\r\n"
            f"IMEI: {profile.imei}\r\n"
            "+GCAP: +CGSM",
        )

    def save(self, call: Call) -> Sequence[str]:
        self.store(echo=int(self.modem.line.echo))
        return ()

    def factory(self, call: Call) -> Sequence[str]:
        self.modem.line.echo = True
        self.cmee = self.modem.profile.cmee
        return ()

    def restore(self, call: Call) -> Sequence[str]:
        if call.args:
            call.args[0].number(0, 0)
        self.modem.line.echo = self.modem.storage.load_settings().get("echo", 1) != 0
        self.rings = 0
        return ()

    def cgmi(self, call: Call) -> Sequence[str]:
        call.need(Form.EXEC)
        return (_MANUFACTURER,)

    def gcap(self, call: Call) -> Sequence[str]:
        call.need(Form.EXEC)
        return ("+GCAP: +CGSM",)

    def cgmm(self, call: Call) -> Sequence[str]:
        call.need(Form.EXEC)
        return (self.modem.profile.model,)

    def cgmr(self, call: Call) -> Sequence[str]:
        call.need(Form.EXEC)
        return (f"+CGMR: {self.modem.profile.revision}",)

    def cgsn(self, call: Call) -> Sequence[str]:
        call.need(Form.EXEC)
        return (self.modem.profile.imei,)

    def csub(self, call: Call) -> Sequence[str]:
        call.need(Form.EXEC)
        return ("+CSUB: B05V02", "+CSUB: MDM9x07_LE20_B05V02_EMULATED")

    def simcomati(self, call: Call) -> Sequence[str]:
        call.need(Form.EXEC)
        profile = self.modem.profile
        return (
            f"Manufacturer: {_MANUFACTURER}\r\n"
            f"Model: {profile.model}\r\n"
            f"Revision: {profile.revision}\r\n"
            "SIM7600M22_B14V01_210812\r\n"
            "QCN:\r\n"
            f"IMEI: {profile.imei}\r\n"
            "MEID:\r\n"
            "+GCAP: +CGSM\r\n"
            "DeviceInfo: 173,170",
        )

    def set_cmee(self, call: Call) -> Sequence[str]:
        if call.form is Form.READ:
            return (f"+CMEE: {self.cmee}",)
        call.need(Form.SET, 1)
        self.cmee = call.args[0].number(0, 2)
        return ()

    def set_catr(self, call: Call) -> Sequence[str]:
        if call.form is Form.READ:
            return (f"+CATR: {self.catr}",)
        call.need(Form.SET, 1)
        self.catr = call.args[0].number(0, 7)
        return ()

    def set_csclk(self, call: Call) -> Sequence[str]:
        if call.form is Form.READ:
            return (f"+CSCLK: {self.csclk}",)
        call.need(Form.SET, 1)
        self.csclk = call.args[0].number(0, 1)
        return ()

    def creset(self, call: Call) -> Sequence[str]:
        call.need(Form.EXEC)
        self.modem.runner.after_result(self.modem.reboot)
        return ()

    def cpof(self, call: Call) -> Sequence[str]:
        call.need(Form.EXEC)
        self.modem.runner.after_result(self.modem.shut_down)
        return ()

    def cfun(self, call: Call) -> Sequence[str]:
        if call.form is Form.READ:
            return (f"+CFUN: {self.function}",)
        call.need(Form.SET, 1, 2)
        function = call.args[0].number(0, 7)
        reset = len(call.args) == 2 and call.args[1].number(0, 1) == 1
        if function not in _FUNCTIONS or (reset and function != 1):
            raise AtError
        if self.function == 7 and function != 6 and not reset:
            raise AtError
        if function == 6 or reset:
            self.modem.runner.after_result(self.modem.reboot)
        else:
            self.function = function
        return ()

    def cclk(self, call: Call) -> Sequence[str]:
        if call.form is Form.READ:
            local = time.gmtime(self.modem.seconds() + self.quarter_hours * 900)
            text = time.strftime("%y/%m/%d,%H:%M:%S", local)
            return (f'+CCLK: "{text}{self.quarter_hours:+03d}"',)
        call.need(Form.SET, 1)
        match = _CLOCK.fullmatch(call.args[0].string(17, 20))
        if match is None:
            raise AtError
        year, month, day, hour, minute, second = map(int, match.groups()[:6])
        zone = int(match[7] or 0)
        if not (1 <= month <= 12 and 1 <= day <= 31 and abs(zone) <= 96):
            raise AtError
        if hour > 23 or minute > 59 or second > 59:
            raise AtError
        # Two digits: 80 and up are the last century, as the default 80/01/06 is.
        year += 1900 if year >= 80 else 2000
        parts = (year, month, day, hour, minute, second)
        self.quarter_hours = zone
        self.set_time(calendar.timegm(parts) - zone * 900)
        return ()

    def set_ctzu(self, call: Call) -> Sequence[str]:
        if call.form is Form.READ:
            return (f"+CTZU: {self.ctzu}",)
        call.need(Form.SET, 1)
        self.ctzu = call.args[0].number(0, 1)
        self.store(ctzu=self.ctzu)
        return ()

    def set_ctzr(self, call: Call) -> Sequence[str]:
        if call.form is Form.READ:
            return (f"+CTZR: {self.ctzr}",)
        call.need(Form.SET, 1)
        self.ctzr = call.args[0].number(0, 1)
        return ()
