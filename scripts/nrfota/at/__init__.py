# SPDX-License-Identifier: Apache-2.0
"""AT session with a SIM7600: a sans-I/O core and a blocking client over a `Link`.

What to keep to when talking to a modem; each line has its test in
`tests/unit/test_at_practices.py`, under the same number.

 1. Send one command at a time; the next only after the final result of the last.
 2. Drop what is left in the input before sending; nothing of it is a reply.
 3. Never assume that echo is on or off: a line equal to the command is its echo.
 4. One deadline for the whole exchange, not one per line.
 5. A line is a reply only when the command expects its prefix; all else is a URC.
 6. Unsolicited lines come anywhere: before, between and after reply lines.
 7. Counted data is never parsed: it may hold `OK`, `ERROR`, `>` and line ends.
 8. A count from the modem is checked against what was asked for, before it is used.
 9. A prompt is the byte `>` at the start of a line, without a line end, and only
    while one is expected.
10. A reply can be refused before its prompt: `ERROR` instead of `>` ends the exchange.
11. Completion is a set: the result line and `OK` in either order.
12. The modem's own error number or text is kept.
13. `RDY` means the modem restarted: echo, baud rate and directory are gone.
14. After a timeout nothing is believed: drain until quiet, then `AT` until `OK`.
15. End commands with CR alone; never search the stream for the letters `OK`.
16. After an `OK` that came early, wait a moment: a second one is not the next reply.
17. Log both directions.

    client = Client(link)
    client.sync(bauds=(115200,))
    size = client.run(commands.file_size("fw.ebin"))
"""

from nrfota.at import commands
from nrfota.at.client import Client
from nrfota.at.commands import Command, Reply
from nrfota.at.link import Link
from nrfota.at.parser import BadCount, Data, Digester, Line, Overlong, Prompt
from nrfota.at.session import Done, Failed, Pace, Session, Urc

__all__ = [
    "BadCount",
    "Client",
    "Command",
    "Data",
    "Digester",
    "Done",
    "Failed",
    "Line",
    "Link",
    "Overlong",
    "Pace",
    "Prompt",
    "Reply",
    "Session",
    "Urc",
    "commands",
]
