"""Logs in: what a team has logged already, read into normal rows and added up."""
