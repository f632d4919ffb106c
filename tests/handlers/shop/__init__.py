"""An app of a project that has handlers, as the tests' processes run it."""
