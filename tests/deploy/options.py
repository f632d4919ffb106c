"""The options that files of a deployment may name."""

from __future__ import annotations

from collections.abc import Mapping

from brokerweb import conf

VARIABLES = {spec.metadata["variable"] for spec in conf.OPTIONS.values()}


def parsed(environment: Mapping[str, str]) -> conf.Conf:
    """The options of that environment. Raises BadOption."""
    return conf.read(environment)
