"""The pages of schemas: what bodies are read by, brought in as files or texts, changed and removed."""
