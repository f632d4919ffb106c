"""Everything declared, as one document: taken away as a file, and brought in after a look at what it would do."""
