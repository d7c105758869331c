"""What the tests of sampling share with those of the command line."""

from __future__ import annotations

from tests.cli.conftest import subprocess_environment

__all__ = ["subprocess_environment"]
