"""Seeded bugs, to test the tests: each patch here breaks one promise, and some test must notice. ``make mutants`` runs them."""
