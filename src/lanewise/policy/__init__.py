"""Pure decisions: which batch, when to look, whether to ask again. No I/O, no clock, no log."""
