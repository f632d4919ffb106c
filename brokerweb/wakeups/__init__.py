"""What one process of a cluster tells the others after its commits: that something may be there to look at.

A hint is never more than that. Whoever hears one reads the store and acts on what it finds; one that is lost costs the time until
the next look that nobody asked for.
"""
