"""Where in a structured answer a value goes: its field's name, description, depth and number."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A field: `index` tells the items of an array (and the choices of `n`) apart."""

    name: str
    described: str
    depth: int
    index: int

    def inside(self, name: str, described: str) -> "Place":
        """The place of a property of the object that is here."""
        return Place(name, described, self.depth + 1, self.index)

    def item(self, number: int) -> "Place":
        """The place of an item of the array that is here: it keeps the array's name."""
        return Place(self.name, self.described, self.depth + 1, self.index + number)
