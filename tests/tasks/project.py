"""A project with tasks, as processes of tests have it."""

from brokerweb.settings import *

TASKS = {"default": {"BACKEND": "brokerweb.tasks.Backend", "QUEUES": ["default", "mails"]}}
SOON = {"lease": 2, "backoff": {"initial": 0.1}}
BROKERWEB = {"queues": {"default": SOON, "mails": SOON}}
