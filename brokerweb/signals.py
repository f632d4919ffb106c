"""Django's signals of the broker, for projects that it is part of.

``alert_changed``: alerts began or ended. It is sent in the process that runs ``serve``, after the commit, with ``event``
(``alert.firing``, ``alert.resolved``), ``rule`` and ``alerts`` as docs/alerts.md shows them. A receiver that raises does no harm.
"""

from __future__ import annotations

from django.dispatch import Signal

alert_changed = Signal()
