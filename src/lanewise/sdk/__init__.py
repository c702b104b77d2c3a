"""The Python face: the same engine as the command line, embedded in a program."""

from lanewise.sdk.client import Client, Ticket
from lanewise.sdk.sync import SyncClient

__all__ = ["Client", "SyncClient", "Ticket"]
