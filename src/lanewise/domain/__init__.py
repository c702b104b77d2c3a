"""The nouns and their legal steps. Nothing here does I/O, reads a clock or writes a log."""
