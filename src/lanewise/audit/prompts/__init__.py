"""How prompts are made, and what that costs: each finding a pure function over some prompts of one workflow.

None of a text is kept.
"""

from lanewise.audit.prompts.bulk import few_shots, pretty_json
from lanewise.audit.prompts.findings import Finding, Text, Worth
from lanewise.audit.prompts.order import instructions_last, variable_first

__all__ = [
    "Finding",
    "Text",
    "Worth",
    "few_shots",
    "instructions_last",
    "pretty_json",
    "variable_first",
]
