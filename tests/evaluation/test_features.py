"""Features: pixels, a classifier's, and Inception's from a file of the user's, never from the network."""

from __future__ import annotations

import pickle
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gan_cli.data.base import Dataset
from gan_cli.data.digits import Digits
from gan_cli.data.fake import Fake
from gan_cli.data.stacked_mnist import StackedMNIST
from gan_cli.data.synthetic import Ring
from gan_cli.data.torchvision_set import TorchvisionSet
from gan_cli.errors import InputError
from gan_cli.evaluation.classifier import Classifier
from gan_cli.evaluation.features import Classified, Scores, extractor

GREY = Digits(split="train", size=8, pixel_range=(-0.5, 2.0))
RED = Fake(channels=3, size=16, count=20)
MODULE = "torch_fidelity.feature_extractor_inceptionv3"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of the published one's form with random weights: the network's own, before any are loaded."""
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    module = pytest.importorskip(MODULE)
    kept: dict[str, Tensor] = {}

    class Blank(module.FeatureExtractorInceptionV3):  # type: ignore[misc, name-defined]
        def load_state_dict(self, *_: object) -> None:
            kept.update(self.state_dict())

    torch.save({}, path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        Blank("blank", ["2048"], feature_extractor_weights_path=path)
    torch.save(kept, path)
    return path


def test_pixels_are_the_image_on_0_to_1() -> None:
    raw = torch.arange(256, dtype=torch.uint8).repeat(3).reshape(12, 1, 8, 8)
    found = extractor("pixels", GREY)(GREY.prepare(raw))
    torch.testing.assert_close(found, raw.flatten(1) / 255, atol=1e-6, rtol=0)
    assert extractor("pixels", GREY).about == "pixels in [0, 1]"


def test_points_stay_as_they_are() -> None:
    points = torch.randn(5, 2)
    assert torch.equal(extractor("pixels", Ring())(points), points)
    assert extractor("pixels", Ring()).about == "coordinates"


@pytest.mark.parametrize("name", ["classifier", "inception"])
def test_features_of_images_are_refused_for_points(name: Any) -> None:
    with pytest.raises(ValueError, match=f"features must be pixels for points, got '{name}'"):
        extractor(name, Ring())


def test_another_name_is_refused() -> None:
    with pytest.raises(ValueError, match="features must be one of pixels, classifier, inception, got 'vgg'"):
        extractor("vgg", GREY)  # type: ignore[arg-type]


def test_a_classifier_sees_the_image_whatever_the_pixel_range() -> None:
    features = extractor("classifier", GREY)
    features.preflight()
    assert isinstance(features, Scores)
    raw = torch.as_tensor(GREY.load().images[:600])
    found = features(GREY.prepare(raw))
    assert found.shape == (600, 128)
    net = Classifier(GREY).trained.net
    torch.testing.assert_close(found, net.features(raw / 255), atol=1e-4, rtol=1e-4)
    right = net(raw / 255).log_softmax(1)
    torch.testing.assert_close(features.logits(GREY.prepare(raw)), right, atol=1e-3, rtol=1e-3)
    assert "of 360 test images right" in features.about


@pytest.mark.parametrize("dataset", [GREY, RED])
def test_metrics_of_one_data_set_share_their_network(dataset: Dataset) -> None:
    first = extractor("classifier", dataset)
    assert extractor("classifier", replace(dataset)) is first  # type: ignore[type-var]
    assert extractor("classifier", replace(dataset, size=32)) is not first  # type: ignore[type-var]
    inception = extractor("inception", dataset, "here.pth")
    assert extractor("inception", dataset, str(Path("here.pth").absolute())) is inception
    assert extractor("inception", dataset, "there.pth") is not inception


def test_a_data_set_that_cannot_be_hashed_has_features_all_the_same() -> None:
    dataset = TorchvisionSet(name="GTSRB", split="train", size=8, args={})
    with pytest.raises(TypeError, match="unhashable"):
        hash(dataset)
    assert isinstance(extractor("classifier", dataset), Classified)


def test_stacked_digits_are_seen_channel_by_channel(idx_root: Path) -> None:
    stacked = StackedMNIST(root=str(idx_root), size=8)
    features = Classified(stacked)
    x = stacked.prepare(stacked.load().sample(torch.Generator().manual_seed(0), 6))
    single = extractor("classifier", stacked.digits)
    assert isinstance(single, Scores)
    apart = [single(x[:, k : k + 1]) for k in range(3)]
    torch.testing.assert_close(features(x), torch.cat(apart, 1))
    red, green, blue = (single.logits(x[:, k : k + 1]).double() for k in range(3))
    joint = features.logits(x).double()
    assert joint.shape == (6, 1000)
    torch.testing.assert_close(joint[:, 407], red[:, 4] + green[:, 0] + blue[:, 7], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(joint.exp().sum(1), torch.ones(6).double(), atol=1e-5, rtol=0)


def nobody_answers(*_: object, **__: object) -> None:
    raise AssertionError("it asks the network")


@pytest.mark.parametrize("dataset", [GREY, RED])
def test_inception_sees_256_levels_in_three_colours(
    weights: Path, dataset: Dataset, no_network: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.hub.load_state_dict_from_url", nobody_answers)
    features = extractor("inception", dataset, str(weights))
    features.preflight()
    raw = torch.randint(0, 256, (3, *dataset.shape), generator=torch.Generator().manual_seed(0))
    found = features(dataset.prepare(raw.to(torch.uint8)) + 1e-4)
    module = pytest.importorskip(MODULE)
    net = module.FeatureExtractorInceptionV3(
        "its own", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(weights)
    )
    pooled, scores = net(raw.to(torch.uint8).expand(3, 3, -1, -1))
    assert torch.equal(found, pooled)
    assert isinstance(features, Scores)
    assert torch.equal(features.logits(dataset.prepare(raw.to(torch.uint8))), scores)
    assert found.shape == (3, 2048)
    assert "random.pth (sha256 " in features.about


class Trap:
    """What runs when it is unpickled."""

    def __reduce__(self) -> Any:
        return (nobody_answers, ())


@pytest.mark.parametrize("content", ["nothing", "words", "another net", "a list", "a trap"])
def test_a_wrong_file_is_refused_in_a_line(tmp_path: Path, content: str, no_network: None) -> None:
    path = tmp_path / "weights.pth"
    if content == "nothing":
        path.touch()
    elif content == "words":
        path.write_text("no tensors")
    elif content == "a trap":
        path.write_bytes(pickle.dumps(Trap(), protocol=2))
    else:
        torch.save([1] if content == "a list" else torch.nn.Linear(2, 2).state_dict(), path)
    with pytest.raises(
        InputError, match=r"weights=.* does not hold InceptionV3's weights: expected"
    ) as found:
        extractor("inception", RED, str(path)).preflight()
    assert "\n" not in str(found.value)


def test_a_missing_file_is_refused_before_training(tmp_path: Path, no_network: None) -> None:
    missing = tmp_path / "gone.pth"
    features = extractor("inception", RED, str(missing))
    with pytest.raises(
        InputError, match=r"weights=.*gone\.pth is not there: expected weights-inception-2015"
    ):
        features.preflight()
    with pytest.raises(InputError, match="features=inception needs weights=<file>"):
        extractor("inception", RED).preflight()
    assert "gone.pth" in features.about


def test_a_missing_package_is_refused_before_training(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, MODULE, None)
    with pytest.raises(InputError, match=r"needs the package torch-fidelity: pip install 'gan-train\[incep"):
        extractor("inception", RED, str(weights)).preflight()
