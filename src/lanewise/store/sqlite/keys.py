"""Virtual keys: written rarely, read whole, and what was drawn of their budgets."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from lanewise.domain.lanes import LaneName
from lanewise.errors import BadInput
from lanewise.store.keys import KeySecret, KeyTerms, NameTaken, VirtualKey
from lanewise.store.sqlite.base import Operations


class KeyOperations(Operations):
    """Each change counts up the version, in the same transaction."""

    def add_key(self, key: VirtualKey) -> None:
        """Keep a new key. Raises `NameTaken`."""
        terms = key.terms
        row = (
            key.name, int(terms.admin), terms.owner, terms.workflow, json.dumps(terms.models),
            json.dumps(terms.lanes), json.dumps(terms.endpoints), terms.deadline,
            terms.requests_per_minute, terms.tokens_per_minute, terms.monthly_nano,
            key.created_at, terms.expires_at,
        )  # fmt: skip
        with self._db.transaction():
            if self._db.execute(self._of_keys["add_key"], row).rowcount != 1:
                raise NameTaken(
                    f"there is or was a key named {key.name!r}; names are used once: choose another"
                )
            self._add_secrets(key.name, key.secrets, key.created_at)
            self._changed("key.created", key.name, key.created_at)

    def virtual_keys(self) -> list[VirtualKey]:
        """Every key there is or was, oldest first."""
        secrets: dict[str, list[KeySecret]] = {}
        rows = self._db.all(self._of_keys["keys"])
        for row in self._db.all(self._of_keys["secrets"]):
            kept = KeySecret(row["hash"], row["prefix"], row["until"])
            secrets.setdefault(row["name"], []).append(kept)
        return [_key_of(row, tuple(secrets.get(row["name"], ()))) for row in rows]

    def keys_version(self) -> int:
        """A number that every change of a key changes."""
        return int(self._db.one(self._of_keys["version"])[0])

    def rotate_key(self, name: str, secret: KeySecret, now: float, *, until: float) -> None:
        """Let a key be recognised by `secret`, and by what it was before no longer than `until`.

        Raises `BadInput` for a key that was revoked or has expired.
        """
        with self._db.transaction():
            if self._db.first(self._of_keys["usable"], (name, now)) is None:
                raise BadInput(f"the key {name!r} was revoked or has expired; create another")
            self._db.execute(self._of_keys["end_secrets"], (name, until))
            self._db.execute(self._of_keys["drop_ended_secrets"], (name, now))
            self._add_secrets(name, [secret], now)
            self._changed("key.rotated", name, now)

    def revoke_key(self, name: str, now: float) -> None:
        """End a key for good; nothing happens to one that was revoked before."""
        with self._db.transaction():
            if self._db.execute(self._of_keys["revoke"], (name, now)).rowcount:
                self._changed("key.revoked", name, now)

    def draw(self, name: str, month: str, *, least: int, wanted: int) -> int:
        """Set aside up to `wanted` nano-USD of a key's budget in a month; 0 where `least` is not left."""
        if self._left(name, month) < least:  # many who ask in vain do not keep writers waiting
            return 0
        with self._db.transaction():
            left = self._left(name, month)
            if left < least:
                return 0
            drawn = min(left, wanted)
            self._db.execute(self._of_keys["draw"], (name, month, drawn))
            return drawn

    def give_back(self, name: str, month: str, nano: int) -> None:
        """What was drawn and not spent; below zero, what was spent beyond it."""
        with self._db.transaction():
            self._db.execute(self._of_keys["draw"], (name, month, -nano))

    def drawn(self, month: str) -> dict[str, int]:
        """What each key has spent or set aside of its budget in a month, nano-USD."""
        found = {
            row["name"]: row["drawn_nano"] for row in self._db.all(self._of_keys["drawn"], (month,))
        }
        for (name,) in self._db.all(self._of_keys["keys_with_open_runs"]):
            found[name] = found.get(name, 0) + self._reserved(key=name)
        return found

    def _left(self, name: str, month: str) -> int:
        row = self._db.first(self._of_keys["left_of_month"], (name, month))
        return 0 if row is None else int(row["left_nano"]) - self._reserved(key=name)

    def _add_secrets(self, name: str, secrets: Sequence[KeySecret], now: float) -> None:
        for secret in secrets:
            self._db.execute(self._of_keys["add_secret"], (secret.hash, name, secret.prefix, now))

    def _changed(self, what: str, name: str, now: float) -> None:
        self._db.execute(self._of_keys["changed"])
        self._event(now, what, name)


def _key_of(row: sqlite3.Row, secrets: tuple[KeySecret, ...]) -> VirtualKey:
    terms = KeyTerms(
        row["owner"],
        row["workflow"],
        tuple(json.loads(row["models"])),
        tuple(LaneName(name) for name in json.loads(row["lanes"])),
        tuple(json.loads(row["endpoints"])),
        row["deadline"],
        row["requests_per_minute"],
        row["tokens_per_minute"],
        row["monthly_nano"],
        row["expires_at"],
        bool(row["admin"]),
    )
    return VirtualKey(row["name"], terms, secrets, row["created_at"], row["revoked_at"])
