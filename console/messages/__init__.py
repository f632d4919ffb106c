"""Messages of a queue: their list, one of them, and what is done with one."""
