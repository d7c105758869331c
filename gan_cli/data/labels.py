"""The labels of a data set's examples, or a line that says why there are none."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_cli.data.base import Dataset, Sampler, Table
from gan_cli.errors import InputError

_LABELLED = (
    "labels for all examples have data=mnist, fashion_mnist, kmnist, digits, cifar10, fake and an "
    "image_folder with a folder for each class"
)


def labels_of(dataset: Dataset, data: Table | Sampler) -> Tensor:
    """The labels of loaded data, int64 [N] on the CPU. Raises InputError where an example has none."""
    name = getattr(dataset, "name", type(dataset).__name__)
    if isinstance(data, Sampler) or data.labels is None:
        raise InputError(f"data ({name}) has no labels: {_LABELLED}")
    if missing := int((data.labels < 0).sum()):
        raise InputError(f"data ({name}) has no label for {missing} of {len(data)} examples: {_LABELLED}")
    return torch.from_numpy(data.labels)
