"""TensorBoard: curves, pictures, the config and the hyper-parameters, in one event file of the run's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
from torch.utils.tensorboard import summary

from gan_cli.observers.base import Outcome, Run
from gan_cli.observers.events import EventFile
from gan_cli.observers.recorder import RATES, Picture, Scalars, Sink

_MULTILINE = "Multiline"
_OF = r"^(\d+/)?"
"""Before a name: the side of a pyramid's level."""
LAYOUT: dict[str, dict[str, list[Any]]] = {
    "The game": {
        "losses": [_MULTILINE, [_OF + "(generator|critic|model)/loss"]],
        "bound on the divergence": [_MULTILINE, [_OF + "divergence/bound"]],
        "mean T and its threshold f'(1)": [_MULTILINE, [_OF + "T/(real|fake|threshold)"]],
        "mean D": [_MULTILINE, [_OF + "D/(real|fake)"]],
        "critic accuracy": [_MULTILINE, [_OF + "critic/accuracy"]],
    },
    "The optimisation": {
        "gradient norms": [_MULTILINE, [_OF + "(generator|critic|model)/gradient_norm"]],
        "parts of the losses": [
            _MULTILINE,
            [_OF + r"(critic|generator|model)/(?!loss$|gradient_norm$|accuracy$).*"],
        ],
        "generator updates a second": [_MULTILINE, ["speed/steps/s"]],
        "real examples a second": [_MULTILINE, ["speed/images/s"]],
    },
    "Evaluation": {
        "modes covered": [_MULTILINE, ["evaluation/modes_covered"]],
        "share of high quality": [_MULTILINE, ["evaluation/high_quality"]],
        "reverse KL of the modes": [_MULTILINE, ["evaluation/reverse_kl"]],
        "effective number of modes": [_MULTILINE, ["evaluation/effective_modes"]],
        "spread": [_MULTILINE, ["evaluation/spread"]],
    },
}


class TensorBoard(Sink):
    """Writes events.out.tfevents.*. `metrics` are the scalars that the hyper-parameter table shows."""

    def __init__(self, metrics: Iterable[str] = ()) -> None:
        self._metrics = tuple(metrics)

    def open(self, run: Run) -> Scalars:
        # The config is written anew: `steps` may have been raised. What is static otherwise stays.
        self._file = EventFile(
            run.folder, run.start_step, keep=lambda tag: not tag.startswith(("config", "_hparams_"))
        )
        self._file.once(summary.custom_scalars(_layout(run)))
        self._file.once(summary.text("config", f"```yaml\n{run.config_yaml}\n```"))
        values = dict(flat(run.config))
        experiment, start, _ = summary.hparams(values, dict.fromkeys(self._metrics, 0.0))
        self._file.add(0, experiment)
        self._file.add(0, start)
        return {}

    def scalars(self, step: int, values: Scalars) -> None:
        tags = {f"speed/{name}" if name in RATES else name: value for name, value in values.items()}
        self._file.add(step, Summary(value=[Summary.Value(tag=t, simple_value=v) for t, v in tags.items()]))

    def picture(self, name: str, step: int | None, picture: Picture) -> None:
        image = Summary.Image(
            encoded_image_string=picture.png, width=picture.width, height=picture.height, colorspace=3
        )
        content = Summary(value=[Summary.Value(tag=name, image=image)])
        if step is None:
            self._file.once(content)
        else:
            self._file.add(step, content)

    def sync(self) -> None:
        self._file.sync()

    def close(self, outcome: Outcome) -> None:
        status = api_pb2.STATUS_FAILURE if outcome == "failed" else api_pb2.STATUS_SUCCESS
        end = plugin_data_pb2.SessionEndInfo(status=status)
        data = plugin_data_pb2.HParamsPluginData(session_end_info=end)
        value = Summary.Value(
            tag=metadata.SESSION_END_INFO_TAG,
            metadata=metadata.create_summary_metadata(data),
            tensor=metadata.NULL_TENSOR,
        )
        self._file.add(0, Summary(value=[value]))
        self._file.close()


def _layout(run: Run) -> dict[str, dict[str, list[Any]]]:
    """The charts of the custom page: those of every run, and one for each number of this run's metrics."""
    names = [name for metric in run.metrics.values() for name in metric.names if not name.endswith("_error")]
    own = {"Metrics": {name: [_MULTILINE, [f"evaluation/{name}$"]] for name in names}}
    return LAYOUT | (own if names else {})


def flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float | str]]:
    """The leaves of a config under dotted names, as TensorBoard's table takes them: numbers, or text.

    >>> dict(flat({"seed": 0, "runtime": {"compile": True, "threads": None}, "betas": [0.5, 0.9]}))
    {'seed': 0, 'runtime.compile': 'true', 'runtime.threads': 'null', 'betas': '[0.5, 0.9]'}
    """
    for key, value in config.items():
        name = f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, Mapping):
            yield from flat(value, name)
        elif isinstance(value, bool):
            yield name, str(value).lower()
        elif isinstance(value, int | float):
            yield name, value
        else:
            yield name, "null" if value is None else str(value)
