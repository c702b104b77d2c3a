"""When money was spent and requests came, for programs."""

from __future__ import annotations

from typing import Any

from lanewise.app.receipt import usd
from lanewise.audit.over_time import OverTime, Slot


def over_time_json(over: OverTime) -> dict[str, Any]:
    """Spend by class in slots of the log's span, and requests in real time by hour of the week, UTC."""
    hours = over.hours
    return {
        "spend_over_time": {
            "by": over.by,
            "slots": [_slot_json(slot) for slot in over.slots],
            "rows_without_time": _slot_json(Slot(0, over.untimed))["classes"],
        },
        "hour_of_week": {
            "zone": "UTC, from Monday 00:00",
            "requests": {name: list(counts) for name, counts in hours.requests.items()},
            "times_in_span": list(hours.seen),
            "requests_without_time": hours.untimed,
        },
    }


def _slot_json(slot: Slot) -> dict[str, Any]:
    return {
        "start": slot.start,
        "classes": {
            name: {
                "rows": spend.rows,
                "requests": spend.requests,
                "reckoned_usd": None if spend.reckoned is None else usd(spend.reckoned),
                "logged_usd": None if spend.logged is None else usd(spend.logged),
            }
            for name, spend in slot.spent.items()
        },
    }
