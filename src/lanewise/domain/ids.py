"""Names that are unique without asking anyone, and the `custom_id` that travels with each request.

An id is 80 random bits in base32, so two homes in one provider workspace can never take each other's
work for their own. A `custom_id` names the segment and the ordinal within it, so that any result line
says which request it answers; it fits the narrowest provider rule, `^[a-zA-Z0-9_-]{1,64}$`.
"""

from __future__ import annotations

import base64
import re
import secrets
from typing import Final, NewType

AccountId = NewType("AccountId", str)
AttemptId = NewType("AttemptId", str)
BatchId = NewType("BatchId", str)
KeyId = NewType("KeyId", str)
RunId = NewType("RunId", str)
SegmentId = NewType("SegmentId", str)
WorkerId = NewType("WorkerId", str)

ID_LENGTH: Final = 16
RESPONSE: Final = "resp_lw_"
_REQUEST: Final = re.compile(r"(?:req_|resp_lw_)([a-z2-7]{16})_(0|[1-9]\d{0,8})")
_CUSTOM_ID: Final = re.compile(r"lw-([a-z2-7]{16})-([0-9]{1,9})\Z")


def fresh_id() -> str:
    """Sixteen characters of `a-z2-7`, 80 bits of them random.

    >>> len(fresh_id())
    16
    """
    return base64.b32encode(secrets.token_bytes(10)).decode().lower()


def custom_id(segment: SegmentId, ordinal: int) -> str:
    """The id by which a provider hands back the result of one request.

    >>> custom_id(SegmentId("abcdefghijklmnop"), 7)
    'lw-abcdefghijklmnop-7'
    """
    return f"lw-{segment}-{ordinal}"


def parse_custom_id(text: str) -> tuple[SegmentId, int] | None:
    """The segment and ordinal that a `custom_id` names; None if it is not one of ours.

    >>> parse_custom_id("lw-abcdefghijklmnop-7")
    ('abcdefghijklmnop', 7)
    >>> parse_custom_id("someone-elses") is None
    True
    """
    match = _CUSTOM_ID.match(text)
    return None if match is None else (SegmentId(match[1]), int(match[2]))


def request_name(run: RunId, sequence: int) -> str:
    """The name of a request for its caller.

    >>> request_name(RunId("abcdefghijklmnop"), 7)
    'req_abcdefghijklmnop_7'
    """
    return f"req_{run}_{sequence}"


def parse_request_name(text: str) -> tuple[RunId, int] | None:
    """The run and the place in it that a caller's name of a request or response means; None for other text.

    >>> parse_request_name("req_abcdefghijklmnop_7")
    ('abcdefghijklmnop', 7)
    >>> parse_request_name("resp_lw_abcdefghijklmnop_7")
    ('abcdefghijklmnop', 7)
    >>> parse_request_name("req_../../etc_7") is None
    True
    """
    found = _REQUEST.fullmatch(text)
    return None if found is None else (RunId(found[1]), int(found[2]))


def response_name(run: RunId, sequence: int) -> str:
    """The name of a background response for its caller: it is a request as OpenAI shows one.

    >>> response_name(RunId("abcdefghijklmnop"), 7)
    'resp_lw_abcdefghijklmnop_7'
    """
    return f"{RESPONSE}{run}_{sequence}"
