"""`gan-train` under torchrun: the first process reads the command line, the others are told what to train.

So a mistake is refused once, one folder is made, and all have the same config to the last random name. What
goes wrong in another process is told by the first.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from gan_cli.cli import report
from gan_cli.errors import InputError
from gan_cli.parallel.ranks import Ranks, here

_CONFIG = "config"
_WORD = 10  # seconds
_SIGNALLED = 128  # exit codes above it: a signal stopped the run, after the same step everywhere

Command = Callable[[Sequence[str]], int]


def shared(command: Command) -> Command:
    """The command as this process of a launch does it; the command itself where there is no other."""
    ranks = here()
    if ranks.count == 1:
        return command
    return partial(_lead, command, ranks) if ranks.leads else partial(_follow, ranks)


def refuse_series(series: str | None) -> None:
    """Raise InputError where torchrun's processes are to share what is no single run."""
    if series is not None and here().count > 1:
        raise InputError(
            f"{series} is no single run, which is all that torchrun's processes can share: start it without "
            "torchrun, with hydra/launcher=pool for a process a GPU"
        )


def announce(config: dict[str, Any]) -> None:
    """Tell the other processes of the launch what to train."""
    ranks = here()
    if ranks.count > 1:
        from gan_cli.parallel.board import board

        board(ranks).post(_CONFIG, json.dumps({"config": config, "path": sys.path}))


def _lead(command: Command, ranks: Ranks, argv: Sequence[str]) -> int:
    # Once another process has failed torchrun ends all of them, and this one still has to tell of it.
    signal.signal(signal.SIGTERM, lambda number, frame: signal.alarm(_WORD))
    code = 1
    try:
        code = command(argv)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
        if code > 0:  # a run that failed or was stopped, and has been told
            _part(ranks, failed=code < _SIGNALLED)
            _end(code)
        raise
    finally:
        _part(ranks, failed=0 < code < _SIGNALLED)
    return code


def _part(ranks: Ranks, failed: bool) -> None:
    """Let the others go, who may still wait to be told what to do."""
    from gan_cli.parallel.board import board
    from gan_cli.parallel.collectives import Lost

    with suppress(Lost):
        if failed:
            board(ranks).fail("it ended with an error of its own")
        board(ranks).post(_CONFIG, "null")


def _follow(ranks: Ranks, _: Sequence[str]) -> NoReturn:
    """Train this process's part. It writes nothing anywhere: the first process tells what goes wrong."""
    warnings.simplefilter("ignore")
    from torch.distributed import DistError

    from gan_cli.parallel.board import board
    from gan_cli.parallel.collectives import Lost

    try:
        told = json.loads(board(ranks).wait(_CONFIG))
        _end(0 if told is None else _train(told["config"], told["path"]))
    except (Lost, DistError, KeyboardInterrupt):  # another one's failure, which that one tells
        _end(1)
    except Exception as error:  # noqa: BLE001 - nobody is above, and it is told
        line, code = report.described(error)
        with suppress(Lost):
            board(ranks).fail(line, traceback.format_exc())
        _end(code)


def _end(code: int) -> NoReturn:
    """End at once: the others notice by the closed connections, for which an orderly exit might wait long."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _train(config: dict[str, Any], path: list[str]) -> int:
    sys.path += [place for place in path if place not in sys.path]
    from gan_cli.cli.job import experiment
    from gan_cli.cli.stopping import Stop
    from gan_cli.run import run

    with Stop(quiet=True).installed() as stop:
        run(experiment(config), Path(os.devnull), stop=stop)
    return 0 if stop.signal is None else _SIGNALLED + stop.signal
