"""What shows in a group of requests, as DuckDB adds it up. Nothing here judges."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from lanewise.audit.statements import statements

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MOST: Final = 2_000_000  # requests that are looked at, the latest; money is of all
GROUPS: Final = 2_000  # that are looked at: some logs name each request
OFTEN: Final = 20  # requests from which on a key, a client or a template makes a group of its own
JOB: Final = (
    r"(^|[^a-z])(cron|job|jobs|worker|workers|airflow|dagster|prefect|celery|batch|pipeline|scheduler|etl|daemon|queue|"
    r"nightly|ci)([^a-z]|$)"
)
SERVICE: Final = (
    r"(^|[^a-z])(svc|service|services|bot|backend|system|serviceaccount|api|prod|production)"
    r"([^a-z]|$)"
)
PEOPLE_CLIENTS: Final = (
    r"mozilla|safari|chrome|claude-cli|claude-code|cursor|open-?webui|librechat|slack|vscode|jetbrains|"
    r"cline|aider"
)
PROGRAM_CLIENTS: Final = r"airflow|dagster|prefect|celery|cron|spark|dbt|temporal"
_BRIEF: Final = 300.0  # seconds
_PARTS: Final = (
    "counts", "templates", "turns", "growth", "streaks", "evenness", "followed", "bunches", "crowds", "slots",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Beat:
    """Bursts of requests, and how closely they keep time within a period."""

    period: float  # seconds
    bursts: int
    size: float  # requests in each, on average
    long: float  # seconds that each lasts, on average
    across: float  # seconds from the first to the last
    agree: float  # 0: they begin anywhere in the period; 1: always at the same place

    @property
    def spread(self) -> float:
        """By how many seconds beginnings differ: the circular standard deviation."""
        if self.agree <= 0:
            return self.period
        return (
            math.sqrt(max(-2 * math.log(min(self.agree, 1.0)), 0.0)) * self.period / (2 * math.pi)
        )

    @property
    def brief(self) -> bool:
        """Whether they are over before people would have come and gone."""
        return self.long <= _BRIEF

    @property
    def exact(self) -> bool:
        """Whether they begin more closely in time than the first of so many who come by themselves would."""
        return 5 * self.spread * self.size <= self.long


@dataclass(frozen=True, slots=True)
class Facts:
    """About the single requests of one group that went in real time; zero where the log does not say.

    Counts are of requests, shares lie between 0 and 1, times are seconds.
    """

    name: str = ""  # the workflow; empty of a group that was found
    key: str | None = None
    agent: str | None = None  # the client, without its version
    models: tuple[str, ...] = ()  # in the order of their names, at most twenty
    shape: int | None = None  # the template by which it was found
    rows: int = 0  # in all lanes, buckets included
    counted: int | None = None  # requests that they stand for
    aggregates: int = 0  # rows that are buckets
    elsewhere: int = 0  # requests that went in batch, flex or background already
    live: int = 0  # single requests in real time
    requests: int = 0  # of these, the ones looked at: all that follows is about them
    timed: int = 0
    first: float | None = None
    last: float | None = None
    stream_told: int = 0
    streamed: int = 0
    priority: int = 0
    in_session: int = 0
    sessions: int = 0
    asked_by_told: int = 0
    askers: int = 0
    callers_told: int = 0  # who asks has a name, or the key has
    jobs: int = 0  # of these, with the name of something that works off a queue or a schedule
    services: int = 0  # of these, with the name of another program
    client_told: int = 0
    people_clients: int = 0
    program_clients: int = 0
    vectors: int = 0  # asked of a model that embeds
    input: float = 0  # tokens, the median
    output_told: int = 0
    output: float = 0
    long_output: float = 0  # tokens that 95 of 100 answers do not exceed
    prompts: int = 0
    distinct_prompts: int = 0
    answers: int = 0
    distinct_answers: int = 0
    templated: float = 0.0  # share of the three templates that are used most
    pairs: int = 0  # requests after another one of the same session, else asker, else key
    carried: int = 0  # of these, with what was said before in their input
    carried_gap: float = 0  # from the end of one to the next, the median
    session_pairs: int = 0
    paused: int = 0  # in a session, 3 s to an hour after the answer
    pause: float = 0
    pause_spread: float = 0
    returned: int = 0  # 3 s to ten minutes after the answer before, by the same asker
    long_sessions: int = 0  # of four requests and more
    in_long: int = 0  # requests in these
    growth: float = 0.0  # in these: how closely input follows the place in the session, -1 to 1
    step_gap: float = 0  # in sessions: from the end of all before to the next, the median
    in_streaks: int = 0  # in four and more, each within a second of the end of the one before
    streak_growth: float = 0.0  # in these, as `growth`
    even_gaps: int = 0  # requests less than 150 s after the one before, whoever asks
    even_gap: float = 0  # how long after it, on average
    uneven: float = 1.0  # the standard deviation of that, by the average
    followed: float = 0.0  # share behind which another workflow of the session goes on at once
    bunched: int = 0  # with four others within two seconds, far more than in the minutes around
    bunch: int = 0
    held: int = 0  # in bursts of five and more in which so many are kept under way
    worked_off: int = 0  # in such bursts of five and more at once, twice as many in all
    crowds: int = 0  # these bursts
    crowd: int = 0  # at once, at the most
    crowd_growth: float = 0.0  # in these bursts: how closely input follows the time, -1 to 1
    days: int = 0
    slots: int = 0  # stretches of ten minutes with any request
    log_slots: int = 0  # of the whole log
    hours: tuple[int, ...] = ()  # requests by hour of the day, UTC
    beats: tuple[Beat, ...] = ()

    def share(self, part: int, of: int | None = None) -> float:
        """Of those requests that could show it."""
        whole = self.requests if of is None else of
        return part / whole if whole else 0.0


_NAMES: Final = frozenset(field.name for field in fields(Facts))


def gather(connection: DuckDBPyConnection) -> dict[int, Facts]:
    """The facts of each group of `requests` by its id, of at most `GROUPS`, those with the most rows.

    Leaves `grouped`, with that id, `kept` and `live` to reckon with.
    """
    asked = statements("waiting")
    connection.execute(asked["callers"], {"often": OFTEN})
    connection.execute(asked["often"], {"often": OFTEN})
    connection.execute(asked["grouped"])
    connection.execute(asked["kept"], [GROUPS])
    connection.execute(asked["live"], {"since": _since(connection), "job": JOB, "service": SERVICE})
    connection.execute(asked["threads"])
    found: dict[int, dict[str, Any]] = {}
    for id_, row in connection.execute(asked["groups"]).fetchall():
        found[id_] = row | {"models": tuple(row["models"] or ())}
    for part in _PARTS:
        clients = (
            {"people": PEOPLE_CLIENTS, "programs": PROGRAM_CLIENTS} if part == "counts" else None
        )
        for id_, row in connection.execute(asked[part], clients).fetchall():
            found[id_] |= {name: value for name, value in row.items() if name in _NAMES}
    _add_times(connection, found)
    return {id_: Facts(**values) for id_, values in found.items()}


def groups_found(connection: DuckDBPyConnection) -> int:
    """How many groups there are, also those that are not looked at. After `gather`."""
    (count,) = connection.execute(statements("waiting")["groups_found"]).fetchall()[0]
    return int(count)


def _since(connection: DuckDBPyConnection) -> float:
    """From when on requests are looked at, so that they are about `MOST`; all, where there are fewer."""
    asked = statements("waiting")
    (timed,) = connection.execute(asked["timed"]).fetchall()[0]
    if timed <= MOST:
        return -math.inf
    before = asked["since"].replace("{before}", repr(1 - MOST / timed))
    return float(connection.execute(before).fetchall()[0][0])


def _add_times(connection: DuckDBPyConnection, found: dict[int, dict[str, Any]]) -> None:
    asked = statements("waiting")
    hours: defaultdict[int, list[int]] = defaultdict(lambda: [0] * 24)
    for id_, hour, count in connection.execute(asked["hours"]).fetchall():
        hours[id_][hour] = count
    beats: defaultdict[int, list[Beat]] = defaultdict(list)
    for id_, *beat in connection.execute(asked["bursts"]).fetchall():
        beats[id_].append(Beat(*beat))
    first, last = connection.execute(asked["span"]).fetchall()[0]
    slots = 0 if first is None else int((last - first) // 600) + 1
    for id_, counts in hours.items():
        found[id_] |= {"hours": tuple(counts), "beats": tuple(beats[id_]), "log_slots": slots}
