"""The page about lanes says of data terms what lanewise goes by."""

from __future__ import annotations

import re
from pathlib import Path

from lanewise.domain.lanes import HELD, Terms
from lanewise.providers.offers import offers

PAGE = Path(__file__).parents[2] / "docs/explanation/which-lane.md"
ROW = re.compile(
    r"^\| (openai|anthropic) \| (.+?) \| (used|never) \| (used|never) \|", re.MULTILINE
)


def test_every_lane_is_in_the_table_of_data_terms_with_what_lanewise_goes_by() -> None:
    said = {
        (provider, lane): (zdr == "used", eu == "used")
        for provider, lanes, zdr, eu in ROW.findall(PAGE.read_text(encoding="utf-8"))
        for lane in re.findall(r"`(\w+)`", lanes)
    }
    known = {
        (offer.provider, offer.lane): (Terms.ZDR in offer.terms, Terms.EU in offer.terms)
        for provider in ("openai", "anthropic")
        for offer in offers(provider)
        if offer.lane != HELD  # real time at another hour
    }
    assert said == known
