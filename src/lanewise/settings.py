"""Settings: defaults, then `lanewise.toml`, then the environment, then flags; the last one wins.

Credentials come from the environment only, under the names the providers' own SDKs use.
"""

from __future__ import annotations

import json
import math
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal, InvalidOperation
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final

from lanewise import upstreams
from lanewise.errors import BadSettings
from lanewise.secret import Secret
from lanewise.upstreams import NamedUpstream

DAY: Final = 86_400.0
_BUDGET_KEYS: Final = frozenset({"monthly_usd", "warn_percent"})


@dataclass(frozen=True, slots=True)
class Budget:
    """What a workflow may spend in a calendar month (UTC), and from which percentage on to warn."""

    monthly_usd: Decimal
    warn_percent: int = 80


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set. Each field is a key of `lanewise.toml` and `LANEWISE_<FIELD>`."""

    home: Path = field(
        default=Path("~/.lanewise"), metadata={"help": "where everything is kept (0700)"}
    )
    workflow: str = field(
        default="default", metadata={"help": "the name under which requests are accounted"}
    )
    poll_seconds: float | None = field(
        default=None, metadata={"help": "a fixed poll interval; unset: from the age of the batch"}
    )
    batch_requests: int | None = field(
        default=None, metadata={"help": "largest batch in requests, below the provider's limit"}
    )
    batch_bytes: int | None = field(
        default=None, metadata={"help": "largest batch in bytes, below the provider's limit"}
    )
    max_tries: int = field(default=3, metadata={"help": "how often a request is asked in all"})
    transfers: int = field(
        default=4, metadata={"help": "uploads and downloads at once, per account"}
    )
    lease_seconds: float = field(
        default=30.0, metadata={"help": "how long a silent worker keeps an account"}
    )
    create_timeout_seconds: float | None = field(
        default=None,
        metadata={"help": "give up a create call after this; unset: by provider and size"},
    )
    listing_lag_seconds: float = field(
        default=600.0,
        metadata={
            "help": "how late a provider's listing may show a new batch; before that, no verdict"
        },
    )
    sweep_seconds: float = field(
        default=3_600.0, metadata={"help": "how often to look for orphans at the provider"}
    )
    provider_file_hold_seconds: float = field(
        default=DAY,
        metadata={"help": "how long provider files stay after their results are safe here"},
    )
    retention_days: float = field(
        default=30.0, metadata={"help": "how long bodies and answers of finished runs are kept"}
    )
    confirm_above_usd: Decimal = field(
        default=Decimal(5),
        metadata={"help": "a run that may cost more asks first, or needs --yes or --max-usd"},
    )
    daily_cap_usd: Decimal = field(
        default=Decimal(100),
        metadata={
            "help": "the most that may be spent in a day (UTC); new requests beyond it are refused"
        },
    )
    budgets: Mapping[str, Budget] = field(
        default_factory=dict,
        metadata={
            "help": "monthly budgets by workflow: `tickets=50,search=20:90` (US dollars, and the percentage "
            "that warns; 80 without)"
        },
    )
    upstreams: tuple[NamedUpstream, ...] = field(
        default=(),
        metadata={
            "help": "servers to use instead of those in the environment; see docs/how-to/upstreams.md"
        },
    )
    aliases: Mapping[str, str] = field(
        default_factory=dict,
        metadata={"help": "names that callers may use for models: `fast=gpt-4o-mini,deep=o3`"},
    )
    ledger_flush_ms: float = field(
        default=200.0,
        metadata={
            "help": "how long the gateway gathers calls before it books them together: the most of the "
            "ledger that a power cut or a kill can lose"
        },
    )
    webhook_allow: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "internal receivers that webhooks may have, by host or network: "
            "`hooks.internal,10.0.5.0/24`; plain http only on loopback"
        },
    )
    handover_seconds: float = field(
        default=0.0,
        metadata={
            "help": "how long a gateway that is told to end serves on while /readyz says 503: longer than a "
            "balancer takes to notice"
        },
    )
    sandbox_profile: str = field(
        default="fast",
        metadata={"help": "timing of the sandbox: instant, fast, typical or bad-day"},
    )
    sandbox_speed: float = field(
        default=600.0, metadata={"help": "how much faster than real time the built-in sandbox runs"}
    )
    log_level: str = field(default="warning", metadata={"help": "debug, info, warning or error"})
    log_format: str = field(default="text", metadata={"help": "text or json"})


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a provider's own SDK would find in the environment."""

    key: Secret | None
    base_url: str | None
    headers: Mapping[str, str]


_OPENAI_HEADERS: Final = {
    "OPENAI_ORG_ID": "openai-organization",
    "OPENAI_PROJECT_ID": "openai-project",
}


def load(
    environ: Mapping[str, str] | None = None, *, config: Path | None = None, **flags: Any
) -> Settings:
    """Settings from all their sources. `flags` that are None were not given.

    Raises `BadSettings` naming the source and what it would accept.
    """
    env = os.environ if environ is None else environ
    path = config or _config_path(env)
    settings = Settings()
    if path is not None:
        settings = replace(settings, **_from_toml(path))
    settings = replace(settings, **_from_environment(env))
    given = {key: value for key, value in flags.items() if value is not None}
    settings = replace(settings, **{key: _given(key, value) for key, value in given.items()})
    return replace(settings, home=settings.home.expanduser().absolute())


def _given(name: str, value: Any) -> Any:
    if name not in _PARSERS:
        raise BadSettings(f"unknown setting {name!r}; known are {', '.join(sorted(_PARSERS))}")
    return _typed(name, value, name)


def credentials(provider: str, environ: Mapping[str, str] | None = None) -> Credentials:
    """The credential, address and headers for `provider` ("openai" or "anthropic")."""
    env = os.environ if environ is None else environ
    prefix = provider.upper()
    key = env.get(f"{prefix}_API_KEY", "").strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise BadSettings(
            f"{prefix}_API_KEY holds a character that no credential has (space, control, non-ASCII)"
        )
    base_url = env.get(f"{prefix}_BASE_URL")
    headers: dict[str, str] = {}
    if provider == "openai":
        headers = {
            name: env[variable] for variable, name in _OPENAI_HEADERS.items() if env.get(variable)
        }
    return Credentials(
        Secret(key) if key else None, base_url.rstrip("/") if base_url else None, headers
    )


def _config_path(env: Mapping[str, str]) -> Path | None:
    """The file that was named, or the nearest of the two usual places."""
    if named := env.get("LANEWISE_CONFIG"):
        path = Path(named).expanduser()
        if not path.is_file():
            raise BadSettings(f"LANEWISE_CONFIG names {path}, which is not a file")
        return path
    home = Path(env.get("LANEWISE_HOME") or "~/.lanewise").expanduser()
    for path in (Path("lanewise.toml"), home / "lanewise.toml"):
        if path.is_file():
            return path
    return None


def _from_toml(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSettings(f"reading settings from {path} failed: {error}") from error
    known = {item.name for item in fields(Settings)}
    for key in table:
        if key not in known:
            raise BadSettings(
                f"{path}: unknown setting {key!r}; known are {', '.join(sorted(known))}"
            )
    return {key: _typed(key, value, f"{path}: {key}") for key, value in table.items()}


def _from_environment(env: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for item in fields(Settings):
        variable = f"LANEWISE_{item.name.upper()}"
        if text := env.get(variable):
            found[item.name] = _typed(item.name, text, variable)
    return found


def _typed(name: str, value: object, where: str) -> Any:
    parse, accepts = _PARSERS[name]
    try:
        return parse(value)
    except upstreams.NotTaken as error:  # what was said may hold a credential
        raise BadSettings(f"{where}: {error}") from None
    except (ValueError, TypeError) as error:
        raise BadSettings(f"{where} is {value!r}; it takes {accepts}") from error


def _positive(kind: type[float | int], *, zero: bool = False) -> Callable[[Any], float | int]:
    def parse(value: Any) -> float | int:
        if isinstance(value, bool):
            raise TypeError("a boolean is not a number")
        number = kind(value)
        if number < 0 or (number == 0 and not zero) or not math.isfinite(number):
            raise ValueError("out of range")
        return number

    return parse


def _one_of(*choices: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if value not in choices:
            raise ValueError("not a choice")
        return str(value)

    return parse


def _usd(value: Any) -> Decimal:
    if isinstance(value, bool):
        raise TypeError("a boolean is not an amount")
    try:
        amount = Decimal(str(value).strip().removeprefix("$"))
    except InvalidOperation as error:
        raise ValueError("not an amount") from error
    if not amount.is_finite() or amount < 0 or amount != round(amount, 9):
        raise ValueError("out of range")
    return amount


def _budgets(value: Any) -> dict[str, Budget]:
    """From `a=50,b=20:90`, or from a table of tables."""
    if isinstance(value, str):
        pairs = [item.rpartition("=")[::2] for item in value.split(",") if item.strip()]
        return {_text(name).strip(): _budget(*amount.split(":")) for name, amount in pairs}
    if not isinstance(value, Mapping):
        raise TypeError("not a table")
    return {name: _budget(**_budget_keys(item)) for name, item in value.items()}


def _budget_keys(item: Any) -> dict[str, Any]:
    if not isinstance(item, Mapping) or not {"monthly_usd"} <= set(item) <= _BUDGET_KEYS:
        raise ValueError("not a budget")
    return dict(item)


def _budget(monthly_usd: Any, warn_percent: Any = 80) -> Budget:
    percent = int(warn_percent)
    if not 1 <= percent <= 100:
        raise ValueError("out of range")
    return Budget(_usd(monthly_usd), percent)


def _upstreams(value: Any) -> tuple[NamedUpstream, ...]:
    """From tables, or in the environment from the same as JSON."""
    try:
        tables = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        raise upstreams.NotTaken("it is no JSON; it takes a list of objects") from None
    return upstreams.named_upstreams(tables)


def _aliases(value: Any) -> dict[str, str]:
    if isinstance(value, str):
        pairs = [item.partition("=")[::2] for item in value.split(",") if item.strip()]
        value = {name.strip(): model.strip() for name, model in pairs}
    return upstreams.aliases(value)


def _reachable(value: Any) -> tuple[str, ...]:
    """From `a,b`, or from a list."""
    entries = value.split(",") if isinstance(value, str) else list(value)
    found = tuple(_text(entry).strip() for entry in entries)
    for entry in found:
        if _HOST.fullmatch(entry) is None or _LIKE_NETWORK.search(entry) is not None:
            ip_network(entry)  # raises ValueError
    return found


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise TypeError("not a text")
    return value


_HOST: Final = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", re.IGNORECASE)
_LIKE_NETWORK: Final = re.compile(r"(^|\.)\d+$")
_SECONDS = (_positive(float, zero=True), "a number of seconds, 0 or more")
_COUNT = (_positive(int), "a whole number above 0")
_PARSERS: Final[dict[str, tuple[Callable[[Any], Any], str]]] = {
    "home": (lambda value: value if isinstance(value, Path) else Path(_text(value)), "a path"),
    "workflow": (_text, "a name"),
    "poll_seconds": _SECONDS,
    "batch_requests": _COUNT,
    "batch_bytes": _COUNT,
    "max_tries": _COUNT,
    "transfers": _COUNT,
    "lease_seconds": (_positive(float), "a number of seconds above 0"),
    "create_timeout_seconds": (_positive(float), "a number of seconds above 0"),
    "listing_lag_seconds": _SECONDS,
    "sweep_seconds": _SECONDS,
    "provider_file_hold_seconds": _SECONDS,
    "retention_days": (_positive(float, zero=True), "a number of days, 0 or more"),
    "confirm_above_usd": (_usd, "US dollars such as 5 or 0.25"),
    "daily_cap_usd": (_usd, "US dollars such as 100"),
    "ledger_flush_ms": (_positive(float, zero=True), "a number of milliseconds, 0 or more"),
    "handover_seconds": _SECONDS,
    "upstreams": (_upstreams, "[[upstreams]] tables with name, api and base_url"),
    "aliases": (
        _aliases,
        "`fast=gpt-4o-mini,deep=o3`, or in lanewise.toml [aliases] with a model for each name",
    ),
    "budgets": (
        _budgets,
        "`tickets=50,search=20:90`, or in lanewise.toml [budgets.tickets] with monthly_usd and warn_percent",
    ),
    "webhook_allow": (
        _reachable,
        "hosts and networks such as `hooks.internal,10.0.5.0/24`, or a list of them in lanewise.toml",
    ),
    "sandbox_profile": (
        _one_of("instant", "fast", "typical", "bad-day"),
        "instant, fast, typical or bad-day",
    ),
    "sandbox_speed": (_positive(float), "a number above 0"),
    "log_level": (_one_of("debug", "info", "warning", "error"), "debug, info, warning or error"),
    "log_format": (_one_of("text", "json"), "text or json"),
}
