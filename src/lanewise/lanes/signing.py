"""Notices signed as Standard Webhooks has it, so that a receiver knows whom they are from, and when."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from typing import Final

from lanewise.secret import Secret

BEGIN: Final = "whsec_"
_RANDOM_BYTES: Final = 32  # 24 to 64 are allowed


def fresh_secret() -> Secret:
    """A secret that nobody has."""
    return Secret(BEGIN + base64.b64encode(secrets.token_bytes(_RANDOM_BYTES)).decode())


def signed(name: str, body: bytes, keys: Iterable[Secret], now: float) -> dict[str, str]:
    """The headers of a notice: one signature for each secret that a receiver may have.

    >>> key = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    >>> body = b'{"test": 2432232314}'
    >>> signed("msg_p5jXN8AQM9LWM0D4loKWxJek", body, [key], 1614265330)["webhook-signature"]
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    at = str(int(now))
    told = f"{name}.{at}.".encode() + body
    signatures = " ".join(f"v1,{_signature(key, told)}" for key in keys)
    return {"webhook-id": name, "webhook-timestamp": at, "webhook-signature": signatures}


def _signature(key: Secret, told: bytes) -> str:
    secret = base64.b64decode(key.reveal().removeprefix(BEGIN))
    return base64.b64encode(hmac.digest(secret, told, hashlib.sha256)).decode()
