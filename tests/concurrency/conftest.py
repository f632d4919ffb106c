from tests.storage.conftest import desk

__all__ = ["desk"]
