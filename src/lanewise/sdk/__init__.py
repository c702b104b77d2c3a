"""The Python face: the same engine as the command line, embedded in a program."""

from lanewise.sdk.books import Books
from lanewise.sdk.client import Client, Ticket
from lanewise.sdk.sync import SyncClient

__all__ = ["Books", "Client", "SyncClient", "Ticket"]
