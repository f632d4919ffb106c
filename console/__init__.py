"""The console: signed-in pages for people. It calls verbs and reads through the ORM; it holds no rule of its own."""
