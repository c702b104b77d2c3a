"""Moderation by keywords, in the shape of POST /v1/moderations."""

from typing import Any

from lanewise.sandbox.answers import checks
from lanewise.sandbox.answers.kinds import Answer, Tokens
from lanewise.sandbox.answers.names import identifier
from lanewise.sandbox.answers.prompt import text_of
from lanewise.sandbox.answers.text import LONGEST_READ, stem, words

DEFAULT_MODEL = "omni-moderation-latest"
_WORDS = {
    "harassment": "idiot stupid moron loser pathetic shut",
    "harassment/threatening": "threaten regret",
    "hate": "racist racial slur inferior vermin bigot",
    "hate/threatening": "exterminate genocide",
    "illicit": "shoplift launder counterfeit forge smuggle cocaine heroin meth",
    "illicit/violent": "bomb explosive grenade detonate",
    "self-harm": "suicide suicidal selfharm anorexia overdose",
    "self-harm/instructions": "noose",
    "self-harm/intent": "suicidal",
    "sexual": "porn pornography erotic nude naked sexual",
    "sexual/minors": "",
    "violence": "kill killing murder stab shoot attack assault bomb beat strangle",
    "violence/graphic": "gore blood decapitate mutilate dismember",
}
_STEMS = {name: frozenset(map(stem, listed.split())) for name, listed in _WORDS.items()}
_IMAGES = frozenset(
    name for name in _WORDS if name.startswith(("self-harm", "violence")) or name == "sexual"
)
FLOOR = 0.00001


def answer(body: dict[str, Any], *, id_seed: str) -> Answer:
    """One result for each text; a list of parts is one input."""
    model = body.get("model") or DEFAULT_MODEL
    results = [_result(text) for text in _texts(body.get("input"))]
    envelope = {"id": identifier("modr-", id_seed), "model": model, "results": results}
    return Answer(envelope, Tokens(), str(model))


def _texts(given: Any) -> list[str]:
    if given is None:
        checks.missing("input")
    if isinstance(given, str):
        return [given]
    if not isinstance(given, list) or not given:
        checks.wrong_type("input", "one of a string or array", given)
    if all(isinstance(one, str) for one in given):
        return list(given)
    return [text_of(given)]


def _result(text: str) -> dict[str, Any]:
    found = [stem(word) for word in words(text[:LONGEST_READ])]
    scores = {name: _score(found, clues) for name, clues in _STEMS.items()}
    categories = {name: score >= 0.5 for name, score in scores.items()}
    applied = {name: ["text", "image"] if name in _IMAGES else ["text"] for name in _STEMS}
    return {
        "flagged": any(categories.values()),
        "categories": categories,
        "category_scores": scores,
        "category_applied_input_types": applied,
    }


def _score(found: list[str], clues: frozenset[str]) -> float:
    hits = sum(1 for one in found if one in clues)
    return float(round(1 - 0.4**hits, 5)) if hits else FLOOR
