"""Consumer groups of a stream: their list, one with its members and positions, and what is done with one."""
