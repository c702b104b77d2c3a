"""Who pays: from credentials in the environment to the accounts that requests are filed under."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from lanewise.domain.ids import AccountId
from lanewise.errors import BadInput, ProviderUnusable
from lanewise.lanes.accept import Payer
from lanewise.providers.protocol import Account
from lanewise.secret import Secret
from lanewise.settings import Credentials, credentials
from lanewise.store.nouns import AccountRow

SANDBOX: Final = "sandbox"
_OFFICIAL: Final = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
}
_NO_KEY: Final = "lanewise"  # for servers that ask for none, reached by a base URL of their own


@dataclass(frozen=True, slots=True)
class Accounts:
    """The accounts that this process can act for."""

    environ: Mapping[str, str]
    sandbox_url: Callable[[], str]  # starts the built-in sandbox when it is first needed

    def payer(self, provider: str, *, chosen: str | None) -> Payer:
        """The account that pays for requests in the dialect of `provider`.

        Raises `ProviderUnusable` where no credential is set, with how to set one.
        """
        if chosen not in (None, SANDBOX, provider):
            raise BadInput(
                f"--provider {chosen} was given, but the input holds requests in {provider}'s form"
            )
        account = self._sandbox(provider) if chosen == SANDBOX else self._real(provider)
        return Payer(AccountRow(account.id, provider, account.base_url))

    def connectable(self, row: AccountRow) -> Account | None:
        """The account with its credential, if this process has the one it was filed under."""
        if row.base_url == SANDBOX:
            account = self._sandbox(row.provider)
            url = self.sandbox_url()
            address = f"{url}/v1" if row.provider == "openai" else url
            return Account(account.id, row.provider, address, account.key)
        try:
            account = self._real(row.provider)
        except ProviderUnusable:
            return None
        return account if account.id == row.id else None

    def _sandbox(self, provider: str) -> Account:
        return Account(AccountId(f"{provider}-sandbox"), provider, SANDBOX, Secret("sandbox"))

    def _real(self, provider: str) -> Account:
        found = credentials(provider, self.environ)
        base_url = found.base_url or _OFFICIAL[provider]
        key = found.key or (Secret(_NO_KEY) if found.base_url else None)
        if key is None:
            raise ProviderUnusable(_no_credential(provider))
        return Account(
            _account_id(provider, base_url, key, found), provider, base_url, key, found.headers
        )


def _account_id(provider: str, base_url: str, key: Secret, found: Credentials) -> AccountId:
    """Tells accounts apart without revealing a key: 48 bits of a hash."""
    parts = [base_url, key.reveal(), *(f"{k}:{v}" for k, v in sorted(found.headers.items()))]
    fingerprint = hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:12]
    return AccountId(f"{provider}-{fingerprint}")


def _no_credential(provider: str) -> str:
    variable = f"{provider.upper()}_API_KEY"
    return (
        f"no credential for {provider}: set {variable} (and {provider.upper()}_BASE_URL for another "
        "address), or try it without a key: --provider sandbox"
    )
