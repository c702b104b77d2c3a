"""Logs in; levers, what-if and report out."""
