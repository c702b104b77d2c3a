"""From classes of traffic to a policy file: what may surely wait first, with each step of its rollout."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from textwrap import wrap
from typing import Final

from lanewise.audit.whatif.plan import UNNAMED
from lanewise.domain.lanes import Terms
from lanewise.pricing.dollars import dollars

BACKGROUND: Final = "background"  # nobody waits for the answers
SURE: Final = 0.9  # from this confidence on, what is in the background may be moved
FIRST_SHARE: Final = 10  # per cent of the requests, after they were only observed
_WIDTH: Final = 108
_LANES: Final = '["batch", "flex", "realtime"]'  # with real time, which rescues what would be late


@dataclass(frozen=True, slots=True)
class Classed:
    """A workflow, who waits for it, and on what that rests.

    `waiting`: `background`, `interactive`, `blocking step`, `unknown` or `not in real time`. `saving`:
    nano-USD over the span of the log if all of it may wait, at the least and at the most; None where no lane
    is known in which it would cost less. `evidence`: short sentences without texts of prompts.
    """

    workflow: str  # "" where requests name none
    waiting: str
    confidence: float  # 0 to 1
    evidence: tuple[str, ...] = ()
    saving: tuple[int, int] | None = None
    key: str = ""  # the name of the caller's key, where only that tells the requests apart
    model: str = ""  # where the key has other requests too: the model that only these ask
    deadline: str = "24h"  # what it may wait, as people say it

    @property
    def named(self) -> bool:
        """Whether a rule can be written that fits it and nothing else."""
        names = self.workflow + self.key + self.model
        return bool(self.workflow or self.key) and "*" not in names and names.isprintable()

    @property
    def safe(self) -> bool:
        """Whether it may be moved first."""
        sure = self.waiting == BACKGROUND and self.confidence >= SURE
        return self.named and sure and self.saving is not None


def policy_text(classes: Iterable[Classed], terms: Terms = Terms.ANY) -> str:
    """A policy file that moves nothing yet: what may surely wait is observed, the dearest first.

    Whatever no rule names stays in real time.
    """
    known = sorted(classes, key=_order)
    first = _distinct([one for one in known if one.safe])
    parts = ["\n".join(_head(first, len(known), terms))]
    parts += ["\n".join(_rule(one)) for one in first]
    later = [line for one in known if one not in first for line in _later(one)]
    if later:
        parts.append("\n".join(["# Not moved:", *later]))
    return "\n\n".join(parts) + "\n"


def _order(one: Classed) -> tuple[bool, int, str, str]:
    """The dearest first, but a key's rule before the rule of the workflow that would hide it."""
    return (not one.key, -sum(one.saving) if one.saving else 0, one.workflow, one.key + one.model)


def _distinct(safe: list[Classed]) -> list[Classed]:
    """Those whose rules do not stand in each other's way, by name or by what they fit."""
    names: set[object] = set()
    found = []
    for one in safe:
        own = {_name(one), (one.workflow or UNNAMED, one.key, one.model)}
        if not own & names:
            names |= own
            found.append(one)
    return found


def _head(safe: list[Classed], count: int, terms: Terms) -> Iterator[str]:
    known_savings = [one.saving for one in safe if one.saving]
    total = (sum(low for low, _ in known_savings), sum(high for _, high in known_savings))
    yield "# Written by lanewise audit from logs. Each rule says what it rests on; nothing moves yet:"
    yield '#   1. rollout = "observe": decisions are recorded, everything goes in real time as before'
    yield f"#   2. percent = {FIRST_SHARE}: that share goes as decided, always the same requests"
    yield '#   3. rollout = "all"'
    yield "# Names are those of the log. Requests have to come to lanewise under the same: the workflow in"
    yield "# the header x-lanewise-workflow or by its key, the key as `lanewise keys list` names it."
    yield "# Over HTTP a call that waits keeps its connection open: before step 2 have its client poll"
    yield "# (Prefer: respond-async) or be called by a webhook."
    yield "# One rule at a time, the first below first. After each change: lanewise policy check"
    yield "# What it would come to: lanewise simulate --rolled-out policy.toml LOGS"
    yield f"# In all {_money(total)} over the span of the log, from {len(safe)} of {count} workflows."
    yield ""
    yield "[default]"
    yield 'deadline = "now"  # what no rule names stays in real time'
    if terms is not Terms.ANY:
        yield f'terms = "{terms}"'


def _rule(one: Classed) -> Iterator[str]:
    yield from _comments(one)
    yield "[[rule]]"
    yield f"name = {_text(_name(one))}"
    yield f"workflow = {_text(one.workflow or UNNAMED)}"
    if one.key:
        yield f"key = {_text(one.key)}"
    if one.model:
        yield f"model = {_text(one.model)}"
    yield f"deadline = {_text(one.deadline)}"
    yield f"lanes = {_LANES}"
    yield 'rollout = "observe"'
    yield f"# percent = {FIRST_SHARE}  # then this in place of rollout"
    yield '# rollout = "all"  # then this in place of percent'


def _comments(one: Classed) -> Iterator[str]:
    sure = f", confidence {one.confidence:.0%}" if one.confidence else ""
    saves = "" if one.saving is None else f"; saves {_money(one.saving)}"
    yield f"# {_plain(_name(one))}: {one.waiting}{sure}{saves}"
    for sentence in one.evidence:
        yield from wrap(
            _plain(sentence), _WIDTH, initial_indent="#   - ", subsequent_indent="#     "
        )


def _later(one: Classed) -> Iterator[str]:
    yield from _comments(one)
    if one.waiting != BACKGROUND:
        return
    if one.saving is None:
        yield "#   no lane is known in which it would cost less, under these data terms and at known prices"
    elif not one.named:
        yield "#   no rule fits it and nothing else: log a workflow for it, or give it a key of its own"
    else:
        yield f"#   under {SURE:.0%}: ask its owner how long it may wait, then write a rule as above"


def _money(saving: tuple[int, int]) -> str:
    low, high = map(dollars, saving)
    return low if low == high else f"{low} to {high}"


def _name(one: Classed) -> str:
    key = f"key {one.key}" if one.key else ""
    return ", ".join(filter(None, (one.workflow, key, one.model))) or "(no workflow)"


def _plain(text: str) -> str:
    """Without what would end a line of a comment."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _text(value: str) -> str:
    """As TOML writes a text; only printable ones come here."""
    return json.dumps(value, ensure_ascii=False)
