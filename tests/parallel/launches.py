"""Starting torchrun for tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def torchrun(
    folder: Path, *words: str | Path, processes: int = 2, session: bool = False
) -> subprocess.Popen[str]:
    """A launch on this machine, in `folder`, with both its outputs piped; `session`: as a terminal's own."""
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={processes}", "--standalone"]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{folder}", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*command, *map(str, words)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=session,
    )


def own_lines(stderr: str) -> list[str]:
    """What the product said of an error, without torchrun's report of its processes."""
    return [line for line in stderr.splitlines() if line.startswith("gan-train")]
