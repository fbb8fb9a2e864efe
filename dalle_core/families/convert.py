"""From files as they are published to a model's folder: `python -m dalle_core.families.convert KIND SOURCE TARGET`.

KIND says whose files they are; TARGET is a new folder, named as the model is to be.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from dalle_core.errors import CheckpointError

JANUS = ("janus-pro-1b", "janus-pro-7b")
RUDALLE = ("rudalle-malevich", "rudalle-malevich-v2", "rudalle-emojich", "rudalle-surrealist-xl")
RERANKERS = ("clip-vit-base-patch32", "siglip2-base-patch32-256")
KINDS = ("dalle-mini", "dalle-mega", "openai-dvae", *JANUS, *RUDALLE, *RERANKERS)


def convert(kind: str, source: Path, target: Path) -> None:
    """Check the files in `source` and write `target`, whole or not at all. Raises CheckpointError."""
    if not source.is_dir():
        raise CheckpointError(f"no folder of published files at {source}")
    match kind:
        case "dalle-mini" | "dalle-mega":
            from dalle_core.families.convert_dalle_mini import PUBLISHED, convert_dalle_mini

            convert_dalle_mini(source, target, PUBLISHED[kind])
        case "openai-dvae":
            from dalle_core.config import OpenAIDVAEConfig
            from dalle_core.families.convert_openai_dvae import convert_openai_dvae

            convert_openai_dvae(source, target, OpenAIDVAEConfig())
        case _ if kind in JANUS:
            from dalle_core.families.convert_janus import convert_janus

            convert_janus(source, target)
        case _ if kind in RUDALLE:
            from dalle_core.families.convert_rudalle import convert_rudalle, published_files

            convert_rudalle(published_files(kind, source), target)
        case _ if kind in RERANKERS:
            from dalle_core.families.rerankers import adopt_reranker

            adopt_reranker(source, target)
        case _:
            raise CheckpointError(f"unknown kind {kind!r}; expected one of {', '.join(KINDS)}")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m dalle_core.families.convert", description=__doc__.split("\n")[0])
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("source", type=Path, help="folder of the published files")
    parser.add_argument("target", type=Path, help="folder to write, which must not be there yet")
    arguments = parser.parse_args(argv)
    try:
        convert(arguments.kind, arguments.source, arguments.target)
    except CheckpointError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"Wrote {arguments.target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
