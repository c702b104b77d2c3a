"""What a webhook can be told of."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal["request", "response", "batch", "message_batch"]
WHOLE: Final = -1  # in the place of a request's sequence: the batch itself
