"""What every test shares: one thread a worker, reproducible property tests, and the folder of real data."""

from __future__ import annotations

import os
from pathlib import Path

# Before torch is imported, here and in every process that a test starts.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)
# Compiled and loaded machines differ too much in speed for a deadline; on CI a failure must repeat.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture(scope="session")
def gan_data() -> Path:
    """The folder of real data that GAN_DATA names. Without GAN_DATA the test is skipped, never otherwise."""
    folder = os.environ.get("GAN_DATA")
    if not folder:
        pytest.skip("needs real data: set GAN_DATA to a folder that holds MNIST/raw")
    path = Path(folder)
    assert path.is_dir(), f"GAN_DATA={folder} is no folder"
    return path
