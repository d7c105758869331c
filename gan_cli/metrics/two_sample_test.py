"""The classifier two-sample test: whether a classifier can tell generated examples from real ones."""

from __future__ import annotations

import importlib
import warnings
from typing import Any, Literal, NamedTuple

import torch
from scipy import stats
from torch import Tensor

from gan_cli.checks import one_of, require
from gan_cli.metrics.blocks import nearest

Classifier = Literal["logistic", "mlp", "neighbour"]
CLASSIFIERS: tuple[Classifier, ...] = ("logistic", "mlp", "neighbour")


class Verdict(NamedTuple):
    """accuracy: [], on the held-out half; error: [], its standard error; p: [], the chance of as many right
    answers by guessing."""

    accuracy: Tensor
    error: Tensor
    p: Tensor


def classifier_test(
    real: Tensor, fake: Tensor, classifier: Classifier, generator: torch.Generator
) -> Verdict:
    """Trains on one half of both sides, tests on the other: Lopez-Paz and Oquab 2017, §3.

    If both laws are one, each held-out answer is right with probability ½, and the number of right answers is
    at most as spread as Binomial(n, ½), n the held-out examples of both sides: p = P(Binomial(n, ½) ≥ right).

    logistic: a linear score; mlp: one layer of 20 ReLU units, as the paper's; neighbour: the side of the
    nearest training example. Features are scaled to deviation 1 on the training half. Which examples fall
    into which half is drawn from `generator`; the larger side gives as many as the smaller.

    real: [N, F], fake: [M, F], at least 4 of either, else ValueError.
    """
    one_of("classifier", classifier, CLASSIFIERS)
    n = min(len(real), len(fake))
    require(n >= 4, "samples", "at least 4 of either side", n)
    sides = [_shuffled(side, n, generator) for side in (real, fake)]
    half = n // 2
    train, test = torch.cat([side[:half] for side in sides]), torch.cat([side[half:] for side in sides])
    mean, deviation = train.mean(0), train.std(0)
    deviation = torch.where(deviation > 0, deviation, 1)
    train, test = (train - mean) / deviation, (test - mean) / deviation
    label = torch.arange(2, device=train.device).repeat_interleave(half)
    seed = int(torch.randint(1 << 31, (), generator=generator, device=generator.device))
    answer = _answers(classifier, train, label, test, seed)
    truth = torch.arange(2, device=test.device).repeat_interleave(n - half)
    right, count = int((answer == truth).sum()), len(truth)
    share = right / count
    values = share, (share * (1 - share) / count) ** 0.5, float(stats.binom.sf(right - 1, count, 0.5))
    return Verdict(*(torch.tensor(value, dtype=torch.float64, device=real.device) for value in values))


def _shuffled(side: Tensor, n: int, generator: torch.Generator) -> Tensor:
    order = torch.randperm(len(side), generator=generator, device=generator.device)[:n]
    return side[order.to(side.device)].double()


def _answers(classifier: Classifier, train: Tensor, label: Tensor, test: Tensor, seed: int) -> Tensor:
    """The side that each test example is taken for, [n]."""
    if classifier == "neighbour":
        return label[nearest(test, train)[1][:, 0]]
    model = _model(classifier, seed)
    with warnings.catch_warnings():  # that it could be trained for longer still
        warnings.simplefilter("ignore")
        model.fit(train.cpu().numpy(), label.cpu().numpy())
    return torch.as_tensor(model.predict(test.cpu().numpy()), device=test.device)


def _model(classifier: Classifier, seed: int) -> Any:
    # Imported by name: it takes a second, and only this test needs it.
    if classifier == "logistic":
        return importlib.import_module("sklearn.linear_model").LogisticRegression(max_iter=200)
    network = importlib.import_module("sklearn.neural_network").MLPClassifier
    return network(hidden_layer_sizes=(20,), max_iter=100, random_state=seed)
