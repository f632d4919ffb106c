#!/usr/bin/env python3
"""Django's entry point; ``manage.py serve`` is the broker."""

import sys

from brokerweb.management.entry import execute

if __name__ == "__main__":
    execute(sys.argv)
