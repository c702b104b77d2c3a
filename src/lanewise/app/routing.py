"""Which way requests go as they come in: the policy's word, the deadline, and the lane with its `why`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from typing import NamedTuple

import msgspec

from lanewise.app.accounts import Names
from lanewise.app.budgets import rule_cap, rule_said
from lanewise.app.policies import zone_named
from lanewise.domain.deadlines import AT_ONCE, UNLESS, AtOnce, By, Deadline, kept
from lanewise.domain.decisions import Decision
from lanewise.domain.ids import AccountId
from lanewise.domain.lanes import HELD, REALTIME, LaneName
from lanewise.domain.packing import PackingKey
from lanewise.errors import BadInput
from lanewise.intake import Accepted, Unfit
from lanewise.lanes.menus import Class, Menus
from lanewise.lanes.shift import load_of_body
from lanewise.policy.choosing import Choice
from lanewise.policy.packing import deadline_class
from lanewise.policy.rules import Policy, Ruling, Traits
from lanewise.store.books import Cap
from lanewise.store.nouns import Route
from lanewise.tokens import Estimator

_SURELY = 1.5  # tokens are taken as a fourth of the bytes, and hardly a text has six to a token


@dataclass(frozen=True, slots=True)
class Caller:
    """What is known of all requests of a run."""

    workflow: str
    tags: tuple[str, ...] = ()  # such as `team=search`
    key: str = ""
    deadline: str | None = None  # in the caller's words; None: the policy's
    dedupe: bool = False  # ask requests of the same content once, whatever policy says
    lanes: tuple[LaneName, ...] = ()  # those that the caller's key is for; none: all


class Way(NamedTuple):
    """How one request goes."""

    route: Route
    deadline: float | None  # as `lanewise.domain.deadlines.kept` keeps it


@dataclass(slots=True)
class Asked:
    """Requests of one model of one account that are due about the same time."""

    earliest: float  # of their deadlines
    requests: int = 0
    tokens: int = 0
    largest: int = 0  # tokens that the largest of them takes at least


@dataclass(slots=True)
class Router:
    """Decides for every request of one run; alike requests share a decision and cost a look-up."""

    policy: Policy
    menus: Menus
    caller: Caller
    now: float
    zone: tzinfo
    names: Names
    estimator: Callable[[], Estimator]  # of what requests under a rule with a budget may cost
    asked: dict[PackingKey, dict[int, Asked]] = field(default_factory=lambda: defaultdict(dict))
    given: list[Way] | None = None  # gets every way, for a caller who is told it
    _rulings: dict[tuple[str, str], Ruling] = field(default_factory=dict)
    _costs: dict[str, Estimator] = field(default_factory=dict)  # by rule, of those with a budget
    _models: dict[tuple[str, str, str], str] = field(default_factory=dict)
    _dues: dict[tuple[str, str], Deadline] = field(default_factory=dict)
    _own: set[str] = field(default_factory=set)  # what lines said of themselves
    _routes: dict[tuple[object, ...], Route] = field(default_factory=dict)

    @property
    def asked_deadline(self) -> str:
        """The deadline of the run in words: the caller's, or else the policy's where all rules agree.

        Where a line had words of its own, they say so: they do not tell that line's deadline.
        """
        said = {ruling.deadline for ruling in self._rulings.values()}
        words = said.pop() if len(said) == 1 else ""
        if self.caller.deadline is not None:
            words = self.caller.deadline
        own = any(mine and mine != words for mine in self._own)
        return words + UNLESS if words and own else words

    def caps(self) -> tuple[Cap, ...]:
        """The monthly budgets of the rules that requests of this run came under, and what those may cost."""
        return tuple(
            rule_cap(rule, budget, self.now, self._costs[rule].finish().high_nano)
            for rule, budget in self._budgets().items()
            if rule in self._costs
        )

    def require_prices(self) -> None:
        """Raises `OverBudget` where nobody knows what a request under a rule with a budget costs."""
        for rule, budget in self._budgets().items():
            if rule in self._costs and (estimate := self._costs[rule].finish()).unpriced:
                estimate.hold(budget, f"the monthly budget of {rule_said(rule)},")

    def _budgets(self) -> dict[str, int]:
        """The budgets of the rules that fitted, nano-USD, by their names."""
        return {
            ruling.rule: ruling.budget_nano
            for ruling in self._rulings.values()
            if ruling.budget_nano is not None
        }

    def ruling(self, endpoint: str, model: str) -> Ruling:
        """What policy says of such requests; `model`: as the caller named it."""
        found = self._rulings.get((endpoint, model))
        if found is None:
            named, model = model, self.names.meant(model)
            traits = Traits(
                self.caller.workflow, model, endpoint, self.caller.tags, self.caller.key
            )
            found = self._rulings[endpoint, named] = self.policy.ruling(traits, self.now)
            if found.budget_nano is not None and found.rule not in self._costs:
                self._costs[found.rule] = self.estimator()
        return found

    def renamed(self, request: Accepted) -> Accepted:
        """The request as it is to be asked: of what its model's name stands for, or a rule says instead,
        by the name that the account has for it.
        """
        asked = (request.dialect, request.endpoint, request.model)
        model = self._models.get(asked)
        if model is None:
            model = self._models[asked] = self._model(request)
        if model == request.model:
            return request
        return msgspec.structs.replace(request, model=model, body=asking(request.body, model))

    def _model(self, request: Accepted) -> str:
        ruling = self.ruling(request.endpoint, request.model)
        if ruling.provider is not None and ruling.provider != request.dialect:
            raise BadInput(
                f"line {request.number}: rule {ruling.rule!r} chooses {ruling.provider}, and the request is "
                f"in {request.dialect}'s form; a rule can choose another model of the same provider"
            )
        wanted = ruling.model or self.names.meant(request.model)
        return self.names.there(request.dialect, wanted)

    def way(self, request: Accepted, key: PackingKey, named: str) -> Way:
        """How a request goes that the caller named a model `named` in.

        Raises `Unfit` where the deadline of its own cannot be meant, and `BadInput` with its line where it
        cannot go at all.
        """
        ruling = self.ruling(request.endpoint, named)
        due = self._due(request, ruling)
        acts = ruling.percent == 100.0 or ruling.acts(request.caller_id)
        class_of = self._class_of(due)
        known = (key, request.model, ruling.rule, class_of, acts)
        route = self._routes.get(known)
        if route is None:
            route = self._routes[known] = self._route(
                request, key, ruling, due, acts=acts, class_of=class_of
            )
        way = Way(route, kept(due))
        if self.given is not None:
            self.given.append(way)
        return way

    def count(self, request: Accepted, key: PackingKey, deadline: float | None, rule: str) -> None:
        """Note that a request is asked, for what can be promised and for its rule's budget."""
        if (cost := self._costs.get(rule)) is not None:
            cost.add(request)
        if deadline is None or deadline == AT_ONCE:
            return
        of_class = deadline_class(deadline - self.now) or 0
        asked = self.asked[key].setdefault(of_class, Asked(deadline))
        asked.earliest = min(asked.earliest, deadline)
        asked.requests += 1
        load = load_of_body(key.provider, len(request.body), request.output_limit)
        asked.tokens += load.tokens
        surely = load.tokens if load.output else int(load.input / _SURELY)
        asked.largest = max(asked.largest, surely)

    def _due(self, request: Accepted, ruling: Ruling) -> Deadline:
        said = request.deadline or self.caller.deadline
        known = self._dues.get((said or "", ruling.rule))
        if known is None:
            if not self.policy.hash:
                ruling = replace(ruling, zone=self.zone)  # without a policy, this machine's clocks
            where = "its deadline" if request.deadline else "--deadline"
            try:
                known = ruling.due(self.now, said, where=where, zones=zone_named)
            except BadInput as error:
                if request.deadline:  # this line is wrong, and the others are not
                    raise Unfit(str(error)) from error
                raise
            self._dues[said or "", ruling.rule] = known
        if request.deadline:
            self._own.add(request.deadline)
        return known

    def _class_of(self, due: Deadline) -> int:
        """Requests of equal numbers are due about the same time: -1 for at once, -2 for whenever."""
        if not isinstance(due, By):
            return -1 if isinstance(due, AtOnce) else -2
        found = deadline_class(due.at - self.now)
        assert found is not None, "an instant has slack"
        return found

    def _route(
        self,
        request: Accepted,
        key: PackingKey,
        ruling: Ruling,
        due: Deadline,
        *,
        acts: bool,
        class_of: int,
    ) -> Route:
        lanes = self._lanes(request, key.account, ruling)
        of = Class(key.account, key.provider, key.endpoint, request.model, lanes, _held(ruling))
        choice = self.menus.chooser.choose(of, due, self.now)
        # a caller who is told each way finds a request by its place, which a copy has not
        once = self.given is None and (self.caller.dedupe or (ruling.dedupe and acts))
        decision = _decision(choice, ruling, lanes, of.held, acts=acts)
        if self.caller.lanes and decision.lane not in self.caller.lanes:
            raise self._not_for(request)
        return Route(decision, class_of, once)

    def _lanes(self, request: Accepted, account: AccountId, ruling: Ruling) -> tuple[LaneName, ...]:
        sold = self.menus.offers(account, request.dialect, request.endpoint)
        allowed = tuple(offer.lane for offer in ruling.allowed(sold))
        if not self.policy.hash and HELD in allowed:
            allowed = tuple(lane for lane in allowed if lane != HELD)
        if not self.caller.lanes:
            return allowed
        kept = tuple(lane for lane in allowed if lane in self.caller.lanes)
        if not kept:
            raise self._not_for(request)
        return kept

    def _not_for(self, request: Accepted) -> BadInput:
        takes = ", ".join(self.caller.lanes)
        return BadInput(
            f"line {request.number}: this key is for {takes}, and none of them takes this request in time"
        )


def _decision(
    choice: Choice, ruling: Ruling, lanes: tuple[LaneName, ...], held: str, *, acts: bool
) -> Decision:
    order = (*choice.order, *(lane for lane in lanes if lane not in choice.order))
    if acts:
        lane, why = choice.lane, choice.why
    else:
        part = "only observed" if ruling.percent == 0.0 else f"outside the {ruling.percent:g} %"
        lane, why = REALTIME, f"real time: {part}; would be {choice.why}"
    caching = acts and ruling.cache == "auto"  # what is only observed is sent as it is
    return Decision(lane, choice.lane, order, ruling.rule, ruling.policy, why, held, caching)


def asking(body: bytes, model: str) -> bytes:
    """A body that names another model; nothing else of it is touched but white space.

    >>> asking(b'{"model": "fast", "n": 1.50}', "gpt-4o-mini")
    b'{"model":"gpt-4o-mini","n":1.50}'
    """
    members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    members["model"] = msgspec.Raw(msgspec.json.encode(model))
    return msgspec.json.encode(members)


def _held(ruling: Ruling) -> str:
    return "" if ruling.held is None else f"{ruling.held.text} @ {ruling.held.zone}"
