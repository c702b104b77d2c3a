"""The composition root: the only place that knows concrete classes and wires Settings into a system."""

from lanewise.app.engine import Engine, RunRequest
from lanewise.app.receipt import Receipt, receipt_of

__all__ = ["Engine", "Receipt", "RunRequest", "receipt_of"]
