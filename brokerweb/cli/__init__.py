"""The command ``brokerweb``: serve a broker, and work with one that runs.

Most of it speaks REST with a running broker, as any client would; what opens the store itself says so in its help.
"""
