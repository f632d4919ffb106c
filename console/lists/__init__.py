"""What people keep of lists: views of them, and how they look."""
