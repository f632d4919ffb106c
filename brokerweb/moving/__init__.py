"""All that a broker has stored, copied into another database, which may be of another kind. Neither is served meanwhile."""
