"""Writes the set of drawn parts.

PYTHONPATH=tests/benchmarks python -m detection.drawn_parts --out DIR [--seed 0]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from detection.drawn_parts.folder import Sizes, write


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="drawn_parts", description="An inspection set, drawn.")
    parser.add_argument("--out", type=Path, required=True, help="folder, created")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train", type=int, default=Sizes().train, help="sound parts to train on")
    options = parser.parse_args()
    write(options.out, options.seed, Sizes(train=options.train))


if __name__ == "__main__":
    main()
