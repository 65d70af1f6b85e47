"""Every module of these tests has a chain of its own."""

from tests.environment import environment

__all__ = ["environment"]
