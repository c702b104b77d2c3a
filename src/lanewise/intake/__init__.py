"""Reading what callers hand in: lines of JSON in, requests and reasons out.

    for line in read(["requests.jsonl"], ReadOptions()):
        match line:
            case Accepted(): ...
            case Broken(): ...

Every line that is not blank becomes one `Accepted` or one `Broken`, in the order of the input, in
memory that does not grow with the input but for eleven bytes a request, by which a `custom_id` that
was used before is found.
"""

from lanewise.intake.lines import Accepted, Broken, Dialect, ReadOptions, Unfit
from lanewise.intake.reading import describe, read
from lanewise.intake.shapes import ENDPOINTS, bare
from lanewise.intake.sources import Source, name_of

__all__ = [
    "ENDPOINTS",
    "Accepted",
    "Broken",
    "Dialect",
    "ReadOptions",
    "Source",
    "Unfit",
    "bare",
    "describe",
    "name_of",
    "read",
]
