"""The loops that act: accept, pack, submit, poll, collect, settle, clean, sweep, deliver.

Every loop has one shape: read facts from the store, let policy decide, call the provider, advance the
state if nobody was faster.
"""
