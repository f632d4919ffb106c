"""Simulated power cuts: a preloaded library that knows what was synced, and the image a cut would leave. See README.md."""
