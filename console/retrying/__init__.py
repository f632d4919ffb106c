"""What failed and is tried again."""
