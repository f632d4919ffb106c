"""Search: a query's grammar, what its conditions mean, and finding what they hold of, in bounded turns beside all else."""
