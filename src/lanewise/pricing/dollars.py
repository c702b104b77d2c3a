"""Dollars for people: written from nano-USD, and read from what somebody typed."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from lanewise.errors import BadInput


def dollars(nano: int) -> str:
    """Nano-USD in dollars: cents where they tell enough, more digits below a dollar, all below a cent.

    >>> (
    ...     dollars(1_234_567_890),
    ...     dollars(70_858_250),
    ...     dollars(106_500),
    ...     dollars(0),
    ...     dollars(-2_000_000),
    ... )
    ('$1.23', '$0.070858', '$0.0001065', '$0', '-$0.002')
    """
    sign = "-" if nano < 0 else ""
    value = Decimal(abs(nano)).scaleb(-9)
    if value >= 1:
        return f"{sign}${value:,.2f}"
    return f"{sign}${value:.6f}" if value >= Decimal("0.01") else f"{sign}${plain(abs(nano))}"


def about(nano: int) -> str:
    """Nano-USD in dollars for tables: cents, and below a dollar two digits that tell.

    >>> about(1_234_567_890), about(70_858_250), about(1_230_336), about(0)
    ('$1.23', '$0.071', '$0.0012', '$0')
    """
    value = Decimal(abs(nano)).scaleb(-9)
    if not 0 < value < 1:
        return dollars(nano)
    return f"{'-' if nano < 0 else ''}${value:.{1 - value.adjusted()}f}"


def plain(nano: int) -> str:
    """Nano-USD in dollars as a plain decimal that says it exactly, for tables and files.

    >>> plain(1_500_000_000), plain(1), plain(0), plain(-20_000_000_000)
    ('1.5', '0.000000001', '0', '-20')
    """
    text = f"{Decimal(nano).scaleb(-9):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def nano_usd(text: str, where: str) -> int:
    """Nano-USD from dollars as somebody typed them, exactly. Raises `BadInput` naming `where`.

    >>> nano_usd("50", "--max-usd"), nano_usd("$0.25", "--max-usd")
    (50000000000, 250000000)
    """
    try:
        value = Decimal(text.strip().removeprefix("$").replace("_", "").replace(",", ""))
    except InvalidOperation as error:
        raise BadInput(f"{where} is {text!r}; it takes dollars such as 50 or 0.25") from error
    if not value.is_finite() or value < 0 or value != round(value, 9):
        raise BadInput(f"{where} is {text!r}; it takes dollars such as 50 or 0.25")
    return int(value.scaleb(9))
