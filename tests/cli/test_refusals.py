"""Whatever a user gets wrong: one line with key, value and nearest right spelling, exit code 2, no folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gan_cli.cli import job
from tests.cli.conftest import Command

# Command lines whose mistake is seen without torch, and words of the answer.
AT_ONCE: dict[str, list[str]] = {
    # keys
    "stepz=3": ["stepz=3", "did you mean 'steps'"],
    "model.wdth=3": ["model.wdth=3", "did you mean 'width'"],
    "model.generator.widht=3": ["model.generator.widht=3", "'width'"],
    "optimizer.generator.lr.x=3": ["optimizer.generator.lr is 0.0002"],
    "data.foo.bar=3": ["data.foo", "size"],
    "+x=1": ["+x=1", "no key x"],
    "++batchsize=1": ["batchsize", "'batch_size'"],
    "+model.depth=1": ["model.depth", "width"],
    "+steps=3": ["steps is there already", "write steps=3"],
    "~steps": ["~steps", "not removed"],
    "~model.latent": ["model.latent is missing"],
    "hydra.swep.dir=x": ["hydra.swep", "'sweep'"],
    # groups and options
    "los=gan": ["los=gan", "did you mean 'loss'"],
    "loss=fgan_kll": ["loss=fgan_kll", "did you mean 'fgan_kl'"],
    "data=cifar": ["data=cifar", "'cifar10'"],
    "data=xyz": ["data=xyz", "mnist"],
    "loss=": ["loss=", "wgan"],
    "data=null": ["data=null", "digits"],
    "~data": ["~data", "needs its data"],
    "model=[dcgan,mlp]": ["model=[dcgan,mlp]", "one option"],
    "experiment=nothing_like_it": ["experiment=nothing_like_it"],
    "hydra/launcher=jobblib": ["hydra/launcher/jobblib"],
    # tricks
    "trick=[instnce_noise]": ["trick=instnce_noise", "'instance_noise'"],
    "trick=unroled": ["trick=unroled", "'unrolled'"],
    "trick=[r1,r1]": ["'r1' is there twice"],
    "trick.unrolled.steps=3": ["trick.unrolled.steps=3", "add 'trick=[unrolled]'"],
    "trick=[r1] trick.unrolled.steps=3": ["add 'trick=[r1,unrolled]'"],
    "trick.unroled.steps=3": ["trick.unroled", "'unrolled'"],
    "+trick.unrolled.steps=3": ["add 'trick=[unrolled]'"],
    "model=lapgan model.levels.14.loss=hinge": ["model.levels is empty", "+model.levels.14.loss="],
    "model=vae optimizer.critic.lr=1": ["no key optimizer.critic"],
    "model=mlp optimizer=adam_likelihood": [
        "optimizer.critic is missing: this optimizer is for models of one"
    ],
    # values
    "steps=-1": ["steps must be at least 1, got -1"],
    "steps=0": ["steps must be at least 1, got 0"],
    "steps=1.5": ["steps", "whole number", "1.5"],
    "steps=": ["steps", "''"],
    "steps=null": ["steps", "null"],
    "steps=many": ["steps", "'many'"],
    "steps=true": ["steps", "true"],
    "steps=inf": ["steps", "inf"],
    "steps=[1]": ["steps", "[1]"],
    "batch_size=0": ["batch_size must be at least 1, got 0"],
    "critic_steps=-2": ["critic_steps", "-2"],
    "seed=-1": ["seed must be at least 0, got -1"],
    "log_every=-1": ["log_every must be at least 0, got -1"],
    "sample_every=x": ["sample_every", "'x'"],
    "checkpoint_every=-5": ["checkpoint_every", "-5"],
    "evaluate_every=1.5": ["evaluate_every", "1.5"],
    "keep_checkpoints=0": ["keep_checkpoints must be at least 1, got 0"],
    "device=gpu": ["device", "'gpu'", "cuda"],
    "watchdog=of": ["watchdog", "'of'", "did you mean 'off'"],
    "runtime.precision=fp16": ["runtime.precision", "'fp16'", "bf16"],
    "runtime.compile=onn": ["runtime.compile", "'onn'", "'on'"],
    "runtime.threads=0": ["runtime.threads", "0"],
    "model.latent=0": ["model.latent must be at least 1, got 0"],
    "model.prior=gauss": ["model.prior", "'gauss'", "normal"],
    "model.generator=3": ["model.generator must be", "3"],
    "model.width=${model.widht}": ["model.width", "model.widht"],
    "steps=3000000000": ["steps must be at most 2147483647, got 3000000000"],
    "steps=1e30": ["steps must be at most 2147483647"],
    "seed=9223372036854775808": ["seed must be at most 9223372036854775807"],
    "model.latent=999999999999": ["model.latent must be at most 2147483647"],
    "runtime.threads=1025": ["runtime.threads must be at most 1024, got 1025"],
    f"steps={'9' * 5000}": ["cannot read 'steps=9", "digits"],
    "name=[a]": ["name", "['a']"],
    # syntax
    "trick=[a,": ["trick=[a,", "[] do not match"],
    "loss={a": ["{} do not match"],
    "name='x": ["name='x", "quote"],
    "data.root=a(b": ["data.root=a(b", "()"],
    "loss=a,,": ["cannot read 'loss=a,,': put a value with special characters in quotes"],
    "name=ä,ö": ["cannot read 'name=ä,ö': put a value with special characters in quotes"],
    "loss=wgän": ["there is no loss=wgän (did you mean 'wgan'?)"],
    "digits": ["'digits' is no override", "data=digits"],
    "100": ["'100' is no override"],
    "steps:3": ["'steps:3' is no override"],
    "=3": ["'=3' is no override"],
    # flags
    "--cnfig-dir=x": ["--cnfig-dir=x", "'--config-dir'"],
    "--steps 3": ["--steps"],
    "--cfg jobs": ["jobs", "job"],
    "--config-dir nowhere": ["nowhere", "no such folder"],
    "--config-dir": ["--config-dir"],
    "--config-path nowhere": ["nowhere", "no such folder"],
    "--config-name nothing": ["nothing"],
    "--cfg job --multirun": ["--cfg", "--multirun"],
    "--resolve": ["--resolve", "--cfg"],
    # sweeps
    "loss=gan,wgan": ["loss=gan,wgan", "--multirun"],
    "seed=range(3)": ["seed=range(3)", "--multirun"],
    "--multirun loss=gan,wgam": ["loss=wgam", "'wgan'"],
    "-m seed=0,1,-1": ["seed must be at least 0, got -1"],
    "-m trick=[r1],[r11]": ["trick=r11", "'r1'"],
    "hydra.searchpath=[file:///nowhere]": ["/nowhere is not available"],
    "-m loss=glob(z*)": ["glob(z*)", "wgan"],
    "-m seed=interval(0,1)": ["interval"],
    "-m hydra.sweep.dir=a,b": ["hydra.sweep.dir=a,b"],
    # folders
    "hydra.run.dir=": ["hydra.run.dir= names no folder"],
    "-m hydra.sweep.dir= seed=1,2": ["hydra.sweep.dir= names no folder"],
    # help
    "--help losss": ["no group or key losss (did you mean 'loss'?)"],
    "-h foo": ["no group or key foo"],
    # resume
    "resume=nowhere": ["resume=nowhere", "no such folder"],
    "resume=.": ["no run's folder"],
    "resume=": ["names no folder"],
    "resume=a,b": ["resume=a,b", "no such folder"],
    "-m resume=a": ["one run", "--multirun"],
}

# Those that are seen once the classes are imported.
WITH_CLASSES: dict[str, list[str]] = {
    "+model.critic.foo=3": ["model.critic.foo", "takes no 'foo'"],
    "+model.critic.widht=3": ["model.critic.widht", "'width'"],
    "+model.generator.latent=3": ["model.generator.latent", "filled in"],
    "model.generator._target_=gan_cli.models.dcgn.Generator": ["gan_cli.models has no 'dcgn'", "'dcgan'"],
    "model.generator._target_=gan_cli.models.dcgan.Generater": ["'Generater'", "'Generator'"],
    "model.generator._target_=gan_cly.models.dcgan.Generator": ["no module 'gan_cly'", "'gan_cli'"],
    "model.generator._target_=gan_cli.models.dcgan": ["no class"],
    "model.generator._target_=Generator": ["dotted path"],
    "loss=fgan_alpha loss.divergence.alpha=much": ["loss.divergence.alpha must be a number, got 'much'"],
    "loss=fgan_alpha loss.divergence.alpha=nan": ["loss.divergence.alpha", "finite"],
    "loss=fgan_kl loss.generator=heuristc": ["loss.generator", "'heuristc'", "'heuristic'"],
    "loss=fgan_kl loss.divergence=kl": ["loss.divergence must be a Divergence, got 'kl'"],
    "loss=fgan_kl loss.divergence._target_=gan_cli.losses.wgan.WGAN": ["loss.divergence", "Divergence"],
    "optimizer.generator.betas=[0.5]": ["optimizer.generator", "betas", "0.5"],
    "optimizer.generator.betas=0.5": ["optimizer.generator.betas must be a list of numbers, got 0.5"],
    "optimizer.critic.lr=-1": ["optimizer.critic", "lr", "-1"],
    "optimizer.critic.lr=fast": ["optimizer.critic.lr must be a number, got 'fast'"],
    "data.size=0": ["data", "size", "0"],
    "data.size=16.5": ["data.size", "whole number", "16.5"],
    "data.pixel_range=[0,1,2]": ["data.pixel_range", "2 numbers", "[0, 1, 2]"],
    "data=ring model=dcgan": ["model=mlp"],
    "model=mlp trick=[r1] trick.r1.gamma=-1": ["trick.r1", "gamma", "-1"],
    "-m model=mlp trick=[r1] trick.r1.gamma=1,-1": ["gamma", "trick.r1.gamma=-1"],
}

WITHOUT_TORCH = """
import sys
from gan_cli.cli import train
for line in ["stepz=3", "loss=fgan_kll", "steps=-1", "trick=[a,", "resume=x", "-m loss=gan,a", "--cfgg"]:
    sys.argv[1:] = line.split()
    try:
        train.main()
    except SystemExit as end:
        print(end.code, "torch" in sys.modules)
"""


@pytest.mark.parametrize("line", AT_ONCE)
def test_refused_at_once(
    line: str, gan_train: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(config: object) -> None:
        raise AssertionError("only the checks that import torch saw it")

    monkeypatch.setattr(job, "experiment", late)
    answer = gan_train(*line.split())
    assert (answer.code, list(folder.iterdir())) == (2, []), answer.err
    assert answer.line.startswith("gan-train: ")
    assert not [word for word in AT_ONCE[line] if word not in answer.line], answer.line


def test_torch_is_not_imported_for_these(folder: Path, subprocess_environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH],
        env=subprocess_environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == ["2 False"] * 7, done.stderr
    assert len(done.stderr.splitlines()) == 7


@pytest.mark.parametrize("line", WITH_CLASSES)
def test_refused_before_a_folder_is_made(line: str, gan_train: Command, folder: Path) -> None:
    answer = gan_train(*line.split())
    assert answer.code == 2, answer.err
    assert not [word for word in WITH_CLASSES[line] if word not in answer.line], answer.line
    assert not list(folder.iterdir())


def test_a_gpu_that_is_not_there(gan_train: Command, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    answer = gan_train("device=cuda")
    assert (answer.code, "device=cuda" in answer.line, list(folder.iterdir())) == (2, True, [])


def test_data_that_is_not_there(gan_train: Command, folder: Path) -> None:
    answer = gan_train("data=image_folder", f"data.root={folder}/nothing")
    assert (answer.code, list(folder.iterdir())) == (2, [])
    assert "nothing" in answer.line
