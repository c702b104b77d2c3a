"""What policy decided for requests alike, and why. A million requests decided alike share one of these."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from lanewise.domain.lanes import LaneName


@dataclass(frozen=True, slots=True)
class Decision:
    """Interned by content: equal decisions are kept once, and each request has the number of its own."""

    lane: LaneName  # where it is sent
    wanted: LaneName  # what policy would choose; another than `lane` while a rollout only observes
    lanes: tuple[LaneName, ...]  # allowed, the order in which they are tried
    rule: str  # the name of the rule that fitted, "" for none
    policy: str  # the hash of the policy it was decided under, "" for none
    why: str  # one sentence for people
    held: str = ""  # the hours in which held requests are sent, such as `16:00-00:30 @ UTC`
    caching: bool = True  # whether requests that share a prefix travel together and may be primed

    @property
    def fixed(self) -> bool:
        """Whether it stays as it is when slack shrinks: a rollout that only observes, or a single lane."""
        return self.lane != self.wanted or len(self.lanes) == 1

    @property
    def key(self) -> str:
        """Sixteen hexadecimal digits of a hash of all of it."""
        parts = (
            self.lane, self.wanted, ",".join(self.lanes), self.rule, self.policy, self.why,
            self.held, str(self.caching),
        )  # fmt: skip
        return hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:16]
