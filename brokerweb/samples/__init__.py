"""How things stood: sampled every ten seconds, kept by the minute for a week, read for charts."""
