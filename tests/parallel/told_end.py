"""One process of a torchrun launch that keeps how gan-train ended in it: `told_end.py <overrides>`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

if __name__ == "__main__":
    # In a session of its own it gets signals from here alone: all that this process gets, and as often.
    train = subprocess.Popen([sys.executable, "-m", "gan_cli", *sys.argv[1:]], start_new_session=True)

    def hand_on(number: int, _: FrameType | None) -> None:
        train.send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, hand_on)
    code = train.wait()
    Path(f"code.{os.environ['RANK']}").write_text(str(code))
    sys.exit(code)
