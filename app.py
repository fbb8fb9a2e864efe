"""Dalle Studio: `python app.py` opens the studio, `python app.py --help` tells what else there is."""

import sys

from app.cli import main

if __name__ == "__main__":
    sys.exit(main())
