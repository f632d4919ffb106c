"""Topics: their list, one of them with its bindings, and what is done with one."""
