"""Live connections: their list, closing one."""
