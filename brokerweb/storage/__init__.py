"""The store: dialects, named statements, transactions and the committer. Knows no verb and no protocol."""
