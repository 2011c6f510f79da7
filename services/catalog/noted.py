"""What this process has already noted in the audit trail this hour, so that a look or a download need not write again."""

from __future__ import annotations

import time
from collections import OrderedDict

REMEMBERED = 4096


class Noted:
    """(account, verb, subject) of this hour. The unique ``once_key`` of the event is what counts; this only saves writes."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, str, str, int], None] = OrderedDict()

    def knows(self, account: str, verb: str, subject: str) -> bool:
        return (account, verb, subject, _hour()) in self._seen

    def add(self, account: str, verb: str, subject: str) -> None:
        """Call after the event was committed."""
        self._seen[account, verb, subject, _hour()] = None
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)


def _hour() -> int:
    return int(time.time() // 3600)
