"""Daphne with this project's limits: heads and bodies, patience with slow clients, close codes, order of stopping."""

from brokerweb.servers.daphne.server import Server, run  # before the others: it chooses Twisted's reactor

__all__ = ["Server", "run"]
