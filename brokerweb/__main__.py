"""``python -m brokerweb`` is the command ``brokerweb``."""

from brokerweb.cli.main import run

if __name__ == "__main__":
    run()
