"""The broker's settings with an app that has handlers, for processes: what they work on is declared."""

from brokerweb.settings import *

INSTALLED_APPS = [*INSTALLED_APPS, "tests.handlers.shop"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
BROKERWEB = {
    "queues": {
        "plain": {"history": "full", "keep_settled": 3600},
        "failing": {"backoff": {"initial": 3600, "factor": 1, "max": 3600, "jitter": 0}},
        "again": {"max_failures": 5},
        "batched": {},
        "atomic": {"lease": 4, "backoff": {"initial": 0, "factor": 1, "max": 0, "jitter": 0}},
        "held": {"lease": 4},
        "late": {"backoff": {"initial": 5, "factor": 1, "max": 5, "jitter": 0}},  # in which its first failure is looked at
        "coroutine": {},
        "late-coroutine": {"backoff": {"initial": 3600, "factor": 1, "max": 3600, "jitter": 0}},
        "signalled": {},
        "lost": {"lease": 1},
        "stuck": {},
        "twice": {},
    },
    "streams": {"events": {"partitions": 2}, "parts": {}, "moves": {"partitions": 2}},
}
