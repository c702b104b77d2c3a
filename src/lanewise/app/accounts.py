"""Who pays: from credentials in the environment to the accounts that requests are filed under."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from lanewise.domain.ids import AccountId
from lanewise.errors import BadInput, BadSettings, ProviderUnusable
from lanewise.lanes.accept import Payer
from lanewise.policy import globs
from lanewise.providers.protocol import Account
from lanewise.secret import Secret
from lanewise.settings import Credentials, credentials
from lanewise.store.nouns import AccountRow
from lanewise.upstreams import NamedUpstream

SANDBOX: Final = "sandbox"
_OFFICIAL: Final = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
}
_NO_KEY: Final = "lanewise"  # for servers that ask for none, reached by a base URL of their own


@dataclass(frozen=True, slots=True)
class Member:
    """One of the accounts that requests in one dialect may go to."""

    account: Account
    named: NamedUpstream | None = None  # None: from the environment, or the sandbox

    @property
    def name(self) -> str:
        """What people call it."""
        return self.account.id if self.named is None else self.named.name

    @property
    def weight(self) -> int:
        """Its share of calls in real time."""
        return 1 if self.named is None else self.named.weight

    @property
    def batches(self) -> bool:
        """Whether it has a batch API."""
        return self.named is None or self.named.batches

    def takes(self, model: str) -> bool:
        """Whether it has a model, by our name or its own; "" is asked of none in particular."""
        if self.named is None or not model or model in self.named.renames.values():
            return True
        return any(globs.fits(pattern, model) for pattern in self.named.models)

    def name_there(self, model: str) -> str:
        """What it calls a model."""
        return model if self.named is None else self.named.renames.get(model, model)


@dataclass(frozen=True, slots=True)
class Accounts:
    """The accounts that this process can act for."""

    environ: Mapping[str, str]
    sandbox_url: Callable[[], str]  # starts the built-in sandbox when it is first needed
    named: tuple[NamedUpstream, ...] = ()  # instead of those in the environment
    aliases: Mapping[str, str] = field(default_factory=dict)  # of models

    def members(self, provider: str, *, chosen: str | None) -> tuple[Member, ...]:
        """Every account for requests in the dialect of `provider`, in the order of the settings.

        Raises `ProviderUnusable` where there is none, with how to set one.
        """
        if chosen not in (None, SANDBOX, provider):
            raise BadInput(
                f"--provider {chosen} was given, but the input holds requests in {provider}'s form"
            )
        if chosen == SANDBOX:
            return (Member(self._sandbox(provider)),)
        named = [one for one in self.named if one.api == provider]
        if not named:
            return (Member(self._real(provider)),)
        return tuple(Member(self._named(one), one) for one in named)

    def payer(self, provider: str, model: str = "", *, chosen: str | None) -> Payer:
        """The account that pays for requests that wait: the first that has the model.

        Raises `ProviderUnusable` where there is none, with how to set one.
        """
        account = self._member(provider, model, chosen).account
        return Payer(AccountRow(account.id, provider, account.base_url))

    def meant(self, model: str) -> str:
        """The model that a name stands for."""
        return self.aliases.get(model, model)

    def name_there(self, provider: str, model: str, *, chosen: str | None) -> str:
        """What the account that pays for a model calls it."""
        return self._member(provider, model, chosen).name_there(model)

    def has_batches(self, account: AccountId) -> bool:
        """Whether an account has a batch API, as far as is known."""
        without = (one for one in self.named if not one.batches)
        return all(_id_of(one, self.environ) != account for one in without)

    def connectable(self, row: AccountRow) -> Account | None:
        """The account with its credential, if this process has the one it was filed under."""
        if row.base_url == SANDBOX:
            return self.reached(Member(self._sandbox(row.provider)))
        try:
            members = self.members(row.provider, chosen=None)
        except ProviderUnusable:
            return None
        return next((one.account for one in members if one.account.id == row.id), None)

    def reached(self, member: Member) -> Account:
        """Its account, with the address that the built-in sandbox has in this process."""
        account = member.account
        if account.base_url != SANDBOX:
            return account
        url = self.sandbox_url()
        address = f"{url}/v1" if account.provider == "openai" else url
        return Account(account.id, account.provider, address, account.key)

    def _member(self, provider: str, model: str, chosen: str | None) -> Member:
        members = self.members(provider, chosen=chosen)
        found = next((one for one in members if one.takes(model)), None)
        if found is None:
            names = ", ".join(one.name for one in members)
            raise ProviderUnusable(
                f"no upstream has the model {model!r} (asked: {names}); name it in `models` of one"
            )
        return found

    def _sandbox(self, provider: str) -> Account:
        return Account(AccountId(f"{provider}-sandbox"), provider, SANDBOX, Secret("sandbox"))

    def _named(self, one: NamedUpstream) -> Account:
        key = _key_of(one, self.environ)
        if key is None:
            raise BadSettings(
                f"the credential of upstream {one.name!r} is missing: set {one.key_env}"
            )
        return Account(_named_id(one, key), one.api, one.base_url, key)

    def _real(self, provider: str) -> Account:
        found = credentials(provider, self.environ)
        base_url = found.base_url or _OFFICIAL[provider]
        key = found.key or (Secret(_NO_KEY) if found.base_url else None)
        if key is None:
            raise ProviderUnusable(_no_credential(provider))
        return Account(
            _account_id(provider, base_url, key, found), provider, base_url, key, found.headers
        )


@dataclass(frozen=True, slots=True)
class Names:
    """What models are called: by callers, and by the account that pays."""

    accounts: Accounts
    chosen: str | None = None

    def meant(self, model: str) -> str:
        """The model that a caller's name stands for."""
        return self.accounts.meant(model)

    def there(self, provider: str, model: str) -> str:
        """What the account that pays for a model calls it."""
        return self.accounts.name_there(provider, model, chosen=self.chosen)


def _account_id(provider: str, base_url: str, key: Secret, found: Credentials) -> AccountId:
    """Tells accounts apart without revealing a key: 48 bits of a hash."""
    parts = [base_url, key.reveal(), *(f"{k}:{v}" for k, v in sorted(found.headers.items()))]
    fingerprint = hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:12]
    return AccountId(f"{provider}-{fingerprint}")


def _key_of(one: NamedUpstream, environ: Mapping[str, str]) -> Secret | None:
    """Its credential; None where it is not set."""
    if not one.key_env:
        return Secret(_NO_KEY)
    key = environ.get(one.key_env, "").strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise BadSettings(
            f"{one.key_env} holds a character that no credential has (space, control, non-ASCII)"
        )
    return Secret(key) if key else None


def _id_of(one: NamedUpstream, environ: Mapping[str, str]) -> AccountId | None:
    key = _key_of(one, environ)
    return None if key is None else _named_id(one, key)


def _named_id(one: NamedUpstream, key: Secret) -> AccountId:
    return _account_id(one.api, one.base_url, key, Credentials(key, one.base_url, {}))


def _no_credential(provider: str) -> str:
    variable = f"{provider.upper()}_API_KEY"
    return (
        f"no credential for {provider}: set {variable} (and {provider.upper()}_BASE_URL for another "
        "address), or try it without a key: --provider sandbox"
    )
