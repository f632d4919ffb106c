"""Who is told that there is something to look at."""
