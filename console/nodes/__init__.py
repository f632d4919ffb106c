"""The nodes of the cluster: their list."""
