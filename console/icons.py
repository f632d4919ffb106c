"""The console's icons: strokes on a 16 by 16 grid, drawn for it. Names are ours alone, so they never carry user text."""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.safestring import SafeString

PATHS = {
    "overview": "M2.5 8.5l2.6-3 2.6 5 2.4-7 1.7 5h1.7",
    "queues": "M2.5 4h11M2.5 8h11M2.5 12h6.5",
    "streams": "M2 5.2c2-2 4-2 6 0s4 2 6 0M2 10.8c2-2 4-2 6 0s4 2 6 0",
    "topics": "M3.5 8h3M6.5 8l4-4.5h2M6.5 8l4 4.5h2M6.5 8h6M2.2 8v.1",
    "jobs": "M8 2.2a5.8 5.8 0 1 0 5.8 5.8M8 8l3.6-3.6M8 8v.1",
    "seek": "M2.5 8h11M9.8 4.5L13.5 8l-3.7 3.5M2.5 4v8",
    "undo": "M6 3.5L2.8 6.7 6 9.9M2.8 6.7h6.7a3.4 3.4 0 0 1 0 6.8H6",
    "dead": "M8 2.2l5.8 5.8L8 13.8 2.2 8zM8 5.4v3.1M8 10.4v.2",
    "connections": "M5.2 2.5v3M10.8 2.5v3M3.7 5.5h8.6v2.2a4.3 4.3 0 0 1-8.6 0zM8 12v2",
    "tokens": "M10.2 9.3a3.6 3.6 0 1 0-3.5-3.5L2.3 10.2v3.3h3.3v-1.8h1.8v-1.9zM11 5v.1",
    "docs": "M3.5 2.5h6l3 3v8h-9zM9.5 2.5v3h3M5.8 8.5h4.4M5.8 11h3",
    "signout": "M9.5 2.5h-6v11h6M6.5 8h7M11 5.5L13.5 8 11 10.5",
    "keyboard": "M1.8 4h12.4v8H1.8zM4.2 6.6h.1M6.7 6.6h.1M9.2 6.6h.1M11.7 6.6h.1M5 9.6h6",
    "more": "M4 6.5l4 4 4-4",
    "back": "M9.5 4L5.5 8l4 4",
    "forward": "M6.5 4l4 4-4 4",
    "plus": "M8 3v10M3 8h10",
    "pause": "M5.5 3.5v9M10.5 3.5v9",
    "play": "M5 3l7.5 5L5 13z",
    "send": "M13.8 2.2L2.2 6.6l4.6 2.6zM13.8 2.2L9.4 13.8 6.8 9.2z",
    "trash": "M2.8 4.5h10.4M6 4.5v-2h4v2M4.2 4.5l.6 9h6.4l.6-9",
    "requeue": "M12.8 6.5A5.2 5.2 0 1 0 13 9.6M13 3v3.6H9.4",
    "edit": "M3 13l.6-3L10.8 2.8l2.4 2.4L6 12.4zM9 4.6L11.4 7",
    "clock": "M8 2.2a5.8 5.8 0 1 1 0 11.6A5.8 5.8 0 0 1 8 2.2zM8 4.8V8l2.2 1.6",
    "copy": "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
    "download": "M8 2.5v7.5M4.8 7L8 10.2 11.2 7M2.8 13.5h10.4",
    "check": "M3 8.5l3.3 3.2L13 4.8",
    "warning": "M8 2.5l6.2 11H1.8zM8 6.5v3.2M8 11.6v.1",
    "info": "M8 2.2a5.8 5.8 0 1 1 0 11.6A5.8 5.8 0 0 1 8 2.2zM8 7.4v3.6M8 5v.1",
    "empty": "M2.5 8.5l2-5.5h7l2 5.5v4.5h-11zM2.5 8.5h3l1 2h3l1-2h3",
    "search": "M7 2.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9zM10.3 10.3l3.2 3.2",
    "nobody": "M6.5 3a2.3 2.3 0 1 1 0 4.6 2.3 2.3 0 0 1 0-4.6zM2 13.2c.4-3 2.2-4.2 4.5-4.2 1 0 2 .3 2.6.7M10.5 10.5l3 3m0-3l-3 3",
    "folder": "M2 4.5v8h12v-6.5H8L6.5 4H2z",
    "gear": "M8 5.8a2.2 2.2 0 1 1 0 4.4 2.2 2.2 0 0 1 0-4.4zM8 1.9v1.9M8 12.2v1.9M1.9 8h1.9M12.2 8h1.9"
    "M3.7 3.7l1.3 1.3M11 11l1.3 1.3M12.3 3.7L11 5M5 11l-1.3 1.3",
    "messages": "M2 3.5h12v9H2zM2.4 4l5.6 4.6L13.6 4",
    "people": "M5.8 3a2.3 2.3 0 1 1 0 4.6 2.3 2.3 0 0 1 0-4.6zM1.6 13.2c.3-3 1.9-4.2 4.2-4.2s3.9 1.2 4.2 4.2"
    "M10.6 3.3a2.1 2.1 0 0 1 0 4M11.8 9.4c1.5.5 2.4 1.7 2.6 3.8",
    "theme": "M8 2.2a5.8 5.8 0 1 1 0 11.6zM8 2.2v11.6M8 2.2a5.8 5.8 0 0 0 0 11.6",
    "bell": "M8 2.2c-2.4 0-3.8 1.7-3.8 4v2.6L2.8 11.4h10.4l-1.4-2.6V6.2c0-2.3-1.4-4-3.8-4zM6.6 13.6h2.8",
    "schema": "M6 2.5H3.5v4L2 8l1.5 1.5v4H6M10 2.5h2.5v4L14 8l-1.5 1.5v4H10",
    "mask": "M2 8c1.6-2.7 3.6-4 6-4s4.4 1.3 6 4c-1.6 2.7-3.6 4-6 4S3.6 10.7 2 8zM3 13L13 3",
    "funnel": "M2.5 3h11L9.3 8.2v4.1l-2.6 1.4V8.2z",
    "stuck": "M4 2.5h8M4 13.5h8M5 2.5v2.6c0 1.9 6 3.9 6 5.8v2.6M11 2.5v2.6c0 1.9-6 3.9-6 5.8v2.6",
    "shield": "M8 2l5 1.8v4c0 3-2 5-5 6.2-3-1.2-5-3.2-5-6.2v-4z",
}
_SVG = (
    '<svg viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" '
    'stroke-linejoin="round" aria-hidden="true" focusable="false"><path d="{}"/></svg>'
)


def icon(name: str) -> SafeString:
    """The icon of that name. Raises KeyError."""
    return format_html(_SVG, PATHS[name])
