"""The compiled library, or a visible skip that says what to install (in CI: a failure)."""

from tests.powerfail.fixtures import powerfail_library

__all__ = ["powerfail_library"]
