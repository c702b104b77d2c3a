"""Counting tokens offline, always labelled with its method; a provider's own usage is the truth."""
