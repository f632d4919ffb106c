"""Finding a page, or something to do, by a few letters of its name."""
