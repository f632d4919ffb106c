"""PostgreSQL: several writers, statements are round trips, one clock for all nodes, the database's own."""
