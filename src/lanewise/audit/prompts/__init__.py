"""The prompt and dedupe levers: how prompts are made, and which are asked again.

Each finding is a pure function over the texts or the usage of one workflow; none of a text is kept.
"""

from lanewise.audit.prompts.bulk import few_shots, pretty_json
from lanewise.audit.prompts.findings import Finding, Text, Worth
from lanewise.audit.prompts.lengths import Answered, Turn, growing_histories, loose_limit
from lanewise.audit.prompts.order import instructions_last, variable_first
from lanewise.audit.prompts.repeats import Repeated, Repeats, Request, Tally

__all__ = [
    "Answered",
    "Finding",
    "Repeated",
    "Repeats",
    "Request",
    "Tally",
    "Text",
    "Turn",
    "Worth",
    "few_shots",
    "growing_histories",
    "instructions_last",
    "loose_limit",
    "pretty_json",
    "variable_first",
]
