"""Trains some stages in one world, as torchrun starts it: `torchrun -m tests.core.stages STAGE … FLAG …`.

A launch for each would take as many times as long, nearly all of it for imports.
"""

import sys
from itertools import takewhile

import torch

from dalle_core.training.__main__ import main
from dalle_core.training.world import joined

if __name__ == "__main__":
    stages = list(takewhile(lambda argument: not argument.startswith("--"), sys.argv[1:]))
    flags = sys.argv[1 + len(stages) :]
    with joined(torch.device("cpu")):
        sys.exit(any(main([stage, *flags]) for stage in stages))
