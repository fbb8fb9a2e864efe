"""Trains two stages in one world, as torchrun starts it: `torchrun -m tests.core.both_stages STAGE STAGE FLAG …`.

Two launches would take twice as long, nearly all of it for imports.
"""

import sys

import torch

from dalle_core.training.__main__ import main
from dalle_core.training.world import joined

if __name__ == "__main__":
    first, second, *flags = sys.argv[1:]
    with joined(torch.device("cpu")):
        sys.exit(main([first, *flags]) or main([second, *flags]))
