"""Rate limits of live calls: for each account and model, buckets that refill with the minute."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any, Final

from starlette.requests import Request

from lanewise.sandbox.config import SandboxConfig
from lanewise.sandbox.state import State
from lanewise.sandbox.wire import Refusal, provider_of

_MAXIMA: Final = ("max_tokens", "max_completion_tokens", "max_output_tokens")


class Rates:
    """The limits that one call meets, and the headers that tell of them."""

    def __init__(self, request: Request, state: State, account: str, model: str) -> None:
        self._state, self._key = state, f"rate:{account}:{model}"
        self._anthropic = provider_of(request) == "anthropic"
        self._limits = limits(state.config, anthropic=self._anthropic)

    def admit(self, body: dict[str, Any], size: int) -> dict[str, str]:
        """Headers for a call that is let in; raises the refusal of one that is not."""
        wanted = {"requests": 1, **self._tokens(body, size)}
        for unit, count in wanted.items():
            if count > self._limits[unit]:
                raise self._too_large(unit, count)
        now = self._state.now()
        with self._state.transaction():
            levels = self._levels(now)
            lacking = {unit: count - levels[unit] for unit, count in wanted.items()}
            admitted = all(lack <= 0 for lack in lacking.values())
            if admitted:
                levels = {unit: level - wanted[unit] for unit, level in levels.items()}
            elif not self._anthropic:  # OpenAI counts requests that it refuses
                levels["requests"] = max(levels["requests"] - 1, 0.0)
            self._keep(levels, now)
        headers = self._headers(levels, now)
        if admitted:
            return headers
        wait = max(math.ceil(lack / self._limits[unit] * 60) for unit, lack in lacking.items())
        unit = max(lacking, key=lambda name: lacking[name] / self._limits[name])
        raise self._refusal(unit, {**headers, "retry-after": str(max(wait, 1))})

    def produced(self, tokens: int) -> None:
        """Anthropic counts output as it is produced, so it shows with the next call."""
        if not self._anthropic:
            return
        now = self._state.now()
        with self._state.transaction():
            levels = self._levels(now)
            self._keep({**levels, "output-tokens": levels["output-tokens"] - tokens}, now)

    def _tokens(self, body: dict[str, Any], size: int) -> dict[str, int]:
        if self._anthropic:
            return {"input-tokens": size // 4, "output-tokens": 0}
        asked = [body[name] for name in _MAXIMA if isinstance(body.get(name), int)]
        return {"tokens": max(size // 4, *asked, 0)}

    def _levels(self, now: float) -> dict[str, float]:
        row = self._state.first("SELECT value FROM facts WHERE name = ?", self._key)
        if row is None:
            return {unit: float(limit) for unit, limit in self._limits.items()}
        at, levels = json.loads(row[0])
        passed = max(now - at, 0.0) / 60
        return {
            unit: min(levels[unit] + passed * limit, float(limit))
            for unit, limit in self._limits.items()
        }

    def _keep(self, levels: dict[str, float], now: float) -> None:
        self._state.run(
            "INSERT INTO facts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            self._key,
            json.dumps([now, levels]),
        )

    def _headers(self, levels: dict[str, float], now: float) -> dict[str, str]:
        """Limit, remaining and reset of each unit, as the provider writes them."""
        headers: dict[str, str] = {}
        for unit, limit in self._limits.items():
            full_in = (limit - levels[unit]) / limit * 60
            shown = {"limit": str(limit), "remaining": str(max(int(levels[unit]), 0))}
            if self._anthropic:
                until = datetime.fromtimestamp(math.ceil(now + full_in), UTC)
                shown["reset"] = until.strftime("%Y-%m-%dT%H:%M:%SZ")
                headers |= {f"anthropic-ratelimit-{unit}-{name}": v for name, v in shown.items()}
            else:
                shown["reset"] = _span(full_in)
                headers |= {f"x-ratelimit-{name}-{unit}": v for name, v in shown.items()}
        return headers

    def _refusal(self, unit: str, headers: dict[str, str]) -> Refusal:
        kind = "rate_limit_error" if self._anthropic else unit
        message = f"Rate limit reached on {unit} per min: Limit {self._limits[unit]}."
        return Refusal(429, kind, message, code="rate_limit_exceeded", headers=headers)

    def _too_large(self, unit: str, count: int) -> Refusal:
        """A call that no minute has room for."""
        message = (
            f"Request too large on {unit} per min: Limit {self._limits[unit]}, Requested {count}."
        )
        kind = "rate_limit_error" if self._anthropic else unit
        return Refusal(429, kind, message, code="rate_limit_exceeded")


def limits(config: SandboxConfig, *, anthropic: bool) -> dict[str, int]:
    """The limits of a minute by unit."""
    if anthropic:
        return {
            "requests": config.requests_per_minute,
            "input-tokens": config.tokens_per_minute,
            "output-tokens": config.output_tokens_per_minute,
        }
    return {"requests": config.requests_per_minute, "tokens": config.tokens_per_minute}


def _span(seconds: float) -> str:
    """A duration as OpenAI writes it: `6m0s`, `2.5s`, `120ms`.

    >>> _span(360.0), _span(2.5), _span(0.12)
    ('6m0s', '2.5s', '120ms')
    """
    if seconds < 1:
        return f"{math.ceil(seconds * 1_000)}ms"
    if seconds < 60:
        return f"{round(seconds, 3):g}s"
    return f"{int(seconds // 60)}m{round(seconds % 60, 3):g}s"
