"""Records of a stream: a partition's, one of them, and appending one."""
