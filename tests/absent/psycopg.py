raise ImportError(f"{__name__} is of the tests alone")
