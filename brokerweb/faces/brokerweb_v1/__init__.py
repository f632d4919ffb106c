"""The language ``brokerweb.v1``, documented in docs/protocol/websocket.md."""
