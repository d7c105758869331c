"""One process of a torchrun launch that plays all cases: `worker.py <folder>`."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from gan_cli.parallel.crew import joined
from gan_cli.parallel.ranks import here
from tests.parallel.cases import keep

if __name__ == "__main__":
    torch.set_num_threads(1)
    with joined(here(), torch.device("cpu")):
        keep(Path(sys.argv[1]), here())
