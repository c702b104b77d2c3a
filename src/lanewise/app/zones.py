"""Which clocks people mean who name no time zone: those of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Final

from lanewise.app.policies import zone_named
from lanewise.policy.rules import Policy

_LOCALTIME: Final = Path("/etc/localtime")


def local_zone(environ: Mapping[str, str]) -> tzinfo:
    """The zone of `TZ`, else of the machine; UTC where neither names one."""
    if (named := zone_named(environ.get("TZ", "").removeprefix(":"))) is not None:
        return named
    try:
        place = str(_LOCALTIME.resolve())
    except OSError:
        return UTC
    return zone_named(place.partition("zoneinfo/")[2]) or UTC


def zone_of(policy: Policy, environ: Mapping[str, str]) -> tzinfo:
    """The zone of a policy; without one, that of this machine."""
    return policy.default.zone if policy.hash else local_zone(environ)
