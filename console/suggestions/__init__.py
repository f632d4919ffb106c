"""What fields offer while something is typed in them."""
