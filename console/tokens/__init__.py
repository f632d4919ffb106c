"""API tokens: their list, making and revoking one."""
