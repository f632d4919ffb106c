"""The console: signed-in pages for people. It calls verbs and reads through the ORM; it holds no rule of its own.

A folder is a noun: the pages that only look in ``views``, what is done by POST in ``actions``, its ``forms``, what its pages read
in ``reading``, what an action would touch in ``confirm``. What all share stands beside the folders, and imports none of them.
"""
