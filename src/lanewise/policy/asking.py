"""Whether a request that was not answered is asked again."""

from __future__ import annotations

from lanewise.domain.results import Verdict


def ask_again(verdict: Verdict, *, tries: int, max_tries: int, results_gone: bool = False) -> bool:
    """Whether to ask once more after try number `tries` + 1 ended with `verdict`.

    Expired, failed and missing requests were not answered and (as providers state) not charged, so
    they are asked again, `max_tries` times in all. Where results existed and can no longer be had,
    asking again would pay again: a person decides that.

    >>> ask_again(Verdict.EXPIRED, tries=0, max_tries=3)
    True
    >>> ask_again(Verdict.REFUSED, tries=0, max_tries=3)
    False
    >>> ask_again(Verdict.MISSING, tries=0, max_tries=3, results_gone=True)
    False
    """
    if verdict.final or (results_gone and verdict is Verdict.MISSING):
        return False
    return tries + 1 < max_tries


def reason(verdict: Verdict, *, tries: int, results_gone: bool = False) -> tuple[str, str]:
    """Code and message for a request that is given up after `tries` + 1 tries."""
    asked = "once" if tries == 0 else f"{tries + 1} times"
    if results_gone and verdict is Verdict.MISSING:
        return (
            "results_gone",
            "the provider no longer holds the results; it may have charged for them",
        )
    messages = {
        Verdict.EXPIRED: ("batch_expired", "the batch window closed before it was executed"),
        Verdict.CANCELLED: ("batch_cancelled", "cancelled before it was executed"),
        Verdict.FAILED: ("provider_failed", "the provider failed on it"),
        Verdict.MISSING: ("no_result", "the provider returned no result for it"),
    }
    code, message = messages[verdict]
    return code, f"{message} (asked {asked})"
