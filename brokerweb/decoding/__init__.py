"""Bodies as values that people can read. A body is a stranger's: whatever it is, to read it costs little."""
