"""A credential that never shows itself by accident."""

from __future__ import annotations


class Secret:
    """Wraps a credential: printing, logging or comparing it reveals nothing.

    >>> Secret("sk-very-secret")
    Secret(***)
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The credential itself, for the one header it belongs in."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__
