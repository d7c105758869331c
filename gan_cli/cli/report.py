"""Errors as a user sees them: one line and an exit code."""

from __future__ import annotations

import errno
import os
import re
import sys
import traceback
from pathlib import Path

from gan_cli.errors import GanTrainError, InputError
from gan_cli.schema import TRAIN

DEBUG = "GAN_TRAIN_DEBUG"
_UNEXPECTED = 1
_INTERRUPTED = 130
_LACKING = r"(?i)\balloc|out of memory|storage size calculation overflowed"


def told(
    error: BaseException, log: Path | None = None, prefix: str = "", command: str = TRAIN.command
) -> int:
    """Print the error in one line on stderr; its exit code.

    log: the file that has the traceback. With GAN_TRAIN_DEBUG=1 it is printed as well.
    """
    if os.environ.get(DEBUG):
        traceback.print_exception(error)
    text, code = described(error, log)
    print(f"{command}: {prefix}{' '.join(text.split())}", file=sys.stderr)
    return code


def described(error: BaseException, log: Path | None = None) -> tuple[str, int]:
    """What is told of an error, and its exit code."""
    if isinstance(error, GanTrainError):
        return str(error), error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", _INTERRUPTED
    if isinstance(error, OSError) and error.errno is not None:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = "the disk is full" if full else (error.strerror or str(error))
        return f"{reason}: {error.filename}" if error.filename else reason, _UNEXPECTED
    if (lacking := _memory(error)) is not None:
        text = f"not enough memory: {lacking}; try a smaller batch_size or model"
        return text, _UNEXPECTED
    if type(error).__name__ == "InstantiationException" and error.__cause__ is not None:
        lines = [line.removeprefix("full_key: ") for line in str(error).splitlines() if "full_key: " in line]
        cause, place = error.__cause__, lines[0] if lines else "a _target_"
        if isinstance(cause, ValueError) and re.match(r"\w+ must be ", str(cause)):
            return f"{place}.{cause}", InputError.exit_code
        return f"{place}: making it failed: {type(cause).__name__}: {cause}", InputError.exit_code
    if type(error).__module__.startswith(("hydra.", "omegaconf.")):
        return str(error), InputError.exit_code
    where = f"its traceback is in {log}" if log and log.is_file() else f"{DEBUG}=1 shows its traceback"
    return (
        f"unexpected {type(error).__name__}: {error} (a fault of gan-train or of your code; {where})",
        _UNEXPECTED,
    )


def _memory(error: BaseException) -> str | None:
    """What could not be had, where the error or its cause says that memory ran out."""
    for one in (error, error.__cause__):
        said = str(one)
        if isinstance(one, MemoryError) or (isinstance(one, RuntimeError) and re.search(_LACKING, said)):
            wanted = re.search(r"tried to allocate [\d.]+ \w+", said, re.IGNORECASE)
            return wanted.group().lower() if wanted else said or "no more is there"
    return None
