"""Lists as files: all rows that a page's filter takes, as lines of JSON or as CSV."""
