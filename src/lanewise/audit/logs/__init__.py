"""Logs as they lie: which files there are, how each is laid out, and the rows that come of them."""
