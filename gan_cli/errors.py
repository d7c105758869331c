"""The errors that a user can cause. Each is one line; the command line turns them into an exit code.

This module imports nothing but the standard library, so that a refused override is answered at once.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class GanTrainError(Exception):
    """Base of all errors whose message is meant for the user, without a traceback."""

    exit_code = 1


class InputError(GanTrainError):
    """What the user asked for cannot be: a wrong key, value, combination, folder or file. Exit code 2."""

    exit_code = 2


class RunError(GanTrainError):
    """The run failed while it was running: diverged, disk full, stopped. Exit code 1."""


def nearest(word: str, options: Iterable[str]) -> str:
    """` (did you mean 'x'?)` for the closest of the options, or the empty string."""
    found = difflib.get_close_matches(str(word), [str(o) for o in options], n=1, cutoff=0.5)
    return f" (did you mean '{found[0]}'?)" if found else ""
