"""Uvicorn with this project's limits: heads and bodies, patience with slow clients, close codes, order of stopping."""

from brokerweb.servers.uvicorn.server import Server, run

__all__ = ["Server", "run"]
