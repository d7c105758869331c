"""The observers of an ordinary run."""

from __future__ import annotations

from collections.abc import Sequence

from gan_cli.observers.background import Background, Writer
from gan_cli.observers.base import Observer, Run
from gan_cli.observers.checkpoints import BestCheckpoint, Checkpoints
from gan_cli.observers.evaluation import Evaluation, metrics
from gan_cli.observers.image_pictures import ImagePictures
from gan_cli.observers.logfile import LogFile
from gan_cli.observers.metrics_log import MetricsLog
from gan_cli.observers.png_files import PngFiles
from gan_cli.observers.point_pictures import PointPictures
from gan_cli.observers.progress import Lines, ProgressBar
from gan_cli.observers.recorder import Recorder
from gan_cli.observers.summary import Summary
from gan_cli.observers.watchdog import Watchdog


def default_observers(run: Run, alone: bool = True, then: Sequence[Observer] = ()) -> list[Observer]:
    """All that an ordinary run is watched and kept by, in the order in which each must be told.

    alone: False for one of several that are trained side by side: it has no bar on the terminal, and its
    watchdog, which is told of few steps, looks at each. then: who else is told of what is written.
    The watchdog before anything is written; the evaluation before the recorder that writes its numbers; the
    checkpoint after all that it covers; the summary, which closes what is open, last.
    """
    # Which takes longer to import than all the rest.
    from gan_cli.observers.tensorboard import TensorBoard

    writer = Writer()
    log, watchdog = LogFile(), Watchdog(writer.settle) if alone else Watchdog(writer.settle, rounds=1)
    recorder = Recorder(
        [MetricsLog(), PngFiles(), TensorBoard((*run.learner.headline, *metrics(run))), Lines()]
    )
    pictures = ImagePictures(recorder) if run.dataset.kind == "image" else PointPictures(recorder)
    kept = [BestCheckpoint(recorder), Checkpoints(recorder), Summary(recorder, watchdog, log)]
    background = Background(writer, recorder, first=[Evaluation(recorder)], then=[*then, pictures, *kept])
    bar = [ProgressBar(recorder)] if alone else []
    return [log, watchdog, *bar, background]
