"""Writes tests/data/golden: payloads of every prior, and records.

    python tests/data/make_golden.py

It ran once. The files define the format from then on, so they must not be written again.
"""

import json
from pathlib import Path

import numpy as np

from codec.bundle.npz import pack_arrays
from codec.entropy.range_coder import RangeCoder
from codec.priors.base import FactorisedPrior, Prior
from codec.priors.tables import fit_tables
from codec.quantise import quantise
from codec.record.frame import Record, pack
from exporter.fit.index_map import fit_index_prior
from exporter.fit.latent_map import fit_map_priors
from exporter.fit.mixture import mixture_priors

GOLDEN = Path(__file__).parent / "golden"
STEPS = np.stack([np.full(6, step, np.float32) for step in (2.0, 1.0, 0.5)])
SEED = 20261121


def smooth(rng: np.random.Generator, count: int, size: tuple[int, int]) -> np.ndarray:
    """Latent maps `[N, 6, h, w]` whose neighbours are alike."""
    rough = rng.normal(0, 2, (count, 6, size[0] + 2, size[1] + 2))
    parts = [rough[..., y : y + size[0], x : x + size[1]] for y in range(3) for x in range(3)]
    return np.asarray(sum(parts) / 2, np.float32)


def save(name: str, priors: tuple[Prior, ...], codes: list[np.ndarray]) -> None:
    """The tables of priors, a list of codes `[R, D, h, w]` per level, and their payloads."""
    levels = range(len(priors))
    payloads = [RangeCoder(priors[q]).encode(codes[q]) for q in levels]
    arrays = {f"tables.{k}": v for k, v in type(priors[0]).pack(priors).items()}
    arrays |= {f"payload_{q}": np.frombuffer(payloads[q], np.uint8) for q in levels}
    arrays |= {"codes": np.stack(codes)}
    (GOLDEN / f"{name}.npz").write_bytes(pack_arrays(arrays))


def main() -> None:
    """Writes all golden files."""
    GOLDEN.mkdir(exist_ok=True)
    rng = np.random.default_rng(SEED)
    centres = rng.normal(0, 4, (16, 6))
    mu = np.float32(centres[rng.integers(0, 16, 2000)] + rng.normal(0, 1, (2000, 6)))
    image = [quantise(mu[:2], step)[:, :, None, None] for step in STEPS]
    image[2][0, 3] = 123_456  # outside every table
    save("factorised", tuple(FactorisedPrior(fit_tables(quantise(mu, s))) for s in STEPS), image)
    save("mixture", mixture_priors(mu, STEPS, 16), image)
    maps = smooth(rng, 60, (12, 9))
    save("map", fit_map_priors([maps], STEPS), [quantise(maps[:1], step) for step in STEPS])
    indices = np.clip(np.rint(smooth(rng, 200, (8, 8)) + 8), 0, 15).astype(np.int32)[:, :2]
    save("neighbours", (fit_index_prior([indices], 16, (8, 8)),), [indices[:1]])
    (GOLDEN / "records.json").write_text(json.dumps(records(rng), indent=1) + "\n")


def records(rng: np.random.Generator) -> list[dict[str, object]]:
    """Records of both tails, with and without a size and evidence."""
    found = []
    for length, size, evidence in (
        (0, None, b""),
        (12, None, b""),
        (125, None, b""),
        (126, None, b""),
        (40, (300, 7), b""),
        (12, None, b"evidence, whatever it is"),
        (400, (2, 16384), bytes(200)),
    ):
        model_id, payload = rng.bytes(32), rng.bytes(length)
        record = Record(int(rng.integers(0, 31)), size, payload, evidence)
        found.append(
            {
                "model_id": model_id.hex(),
                "level": record.quality,
                "size": size,
                "payload": payload.hex(),
                "evidence": evidence.hex(),
                "record": pack(record, model_id).hex(),
            }
        )
    return found


if __name__ == "__main__":
    main()
