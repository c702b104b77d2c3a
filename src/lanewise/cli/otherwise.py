"""What would have happened to a request otherwise, in plain words."""

from __future__ import annotations

from lanewise.app.story import Otherwise, Story
from lanewise.cli.show import when
from lanewise.policy.saying import lane_said, percent, span
from lanewise.pricing.dollars import dollars


def other_way(item: Otherwise, story: Story) -> str:
    """One of the ways that a request did not go, in a sentence."""
    match item.way:
        case "at_once":
            cost = "at a cost that is not known" if item.cost_nano is None else _cost(item)
            basis = item.basis if item.known else f"expected; basis: {item.basis}"
            return f"sent at once in real time: {cost} ({basis}), and no waiting"
        case "left_alone":
            return _left_alone(item)
        case "other_lane":
            decision = story.trace.decision
            observed = decision is not None and decision.wanted != decision.lane
            lane = lane_said(item.lane)
            begin = f"policy would have chosen {lane}" if observed else f"by {lane}, not chosen"
            return f"{begin}: {_expected(item)}"
        case "any_lane":
            return (
                f"by another lane: refused as well, and not charged (expected; basis: {item.basis})"
            )
        case "no_other":
            return f"by another lane: none but {lane_said(item.lane)} was open to it"


def _left_alone(item: Otherwise) -> str:
    begin = f"left in batch {item.batch} ({lane_said(item.lane)}): "
    if item.known and item.at is not None:
        late = item.late_by
        punctual = (
            ""
            if late is None
            else f", {span(abs(late))} {'after' if late > 0 else 'before'} the deadline"
        )
        cost = "" if item.cost_nano is None else f", for {_cost(item)}"
        return f"{begin}it ended {when(item.at)}{punctual}{cost}"
    latest = "" if item.at is None else f"; it expires {when(item.at)}"
    return f"{begin}{_expected(item)}{latest}"


def _expected(item: Otherwise) -> str:
    parts = [] if item.cost_nano is None else [_cost(item)]
    if item.chance is not None:
        until = when(item.at) if item.way == "other_lane" and item.at else "the deadline"
        parts.append(f"{percent(item.chance)} to be done by {until}")
    elif item.way == "other_lane" and item.at is not None:
        parts.append(f"sent {when(item.at)}")
    return f"{' and '.join(parts) or 'not known'} (expected; basis: {item.basis})"


def _cost(item: Otherwise) -> str:
    return "" if item.cost_nano is None else dollars(item.cost_nano)
