"""The bundle: a folder, or an uncompressed tar of it, with everything about a model.

    manifest.json      codec.bundle.manifest.Manifest, with size and SHA-256 of every other member
    encoder.onnx       x -> mu, log_var | codes, distance
    decoder.onnx       z | codes -> x_hat
    tables.npz         codec.bundle.npz: steps and priors of all quality levels
    calibration.npz    codec.bundle.npz.Calibration
    detectors.npz      codec.detectors.detectors.Detectors, in bundles that have candidates
    segmenter.onnx     x -> logit, in bundles with candidates that need it
    card.md            model card; its pictures are *.png files of the bundle

Everything is verified before use. Nothing is unpickled, and sizes are checked before allocation.
"""

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from codec.arrays import F32
from codec.atomic import staged
from codec.bundle.fitted_detectors import check_detectors
from codec.bundle.manifest import Manifest, Member, from_json, to_json
from codec.bundle.npz import (
    Calibration,
    check_score_names,
    score_names,
    unpack_arrays,
    unpack_tables,
)
from codec.detectors.detectors import Detectors
from codec.errors import BundleError
from codec.priors.base import Prior

MANIFEST = "manifest.json"
DETECTORS, SEGMENTER = "detectors.npz", "segmenter.onnx"
REQUIRED = frozenset({"encoder.onnx", "decoder.onnx", "tables.npz", "calibration.npz", "card.md"})
MAX_MANIFEST_BYTES = 2**20
MAX_MEMBER_BYTES = 2**30
_MEMBER = re.compile(r"[a-z0-9_-]+\.(onnx|npz|md|png)")


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified model: manifest, ONNX graphs, quantisation steps `[Q, D]`, a prior per quality
    level, calibration, model card (Markdown) and detectors, of which it may have none. `segmenter`
    is the third graph, None in bundles without one.
    """

    manifest: Manifest
    model_id: bytes
    encoder: bytes
    decoder: bytes
    steps: F32
    priors: tuple[Prior, ...]
    calibration: Calibration
    card: str
    detectors: Detectors = field(default_factory=Detectors)
    segmenter: bytes | None = None

    @property
    def size(self) -> int:
        """Bytes of all members, without the manifest."""
        return sum(member.size for member in self.manifest.members.values())

    @property
    def digest(self) -> bytes:
        """SHA-256, 32 bytes, of the manifest, which has those of all members."""
        return _sha256(to_json(self.manifest).encode())


def load_bundle(path: Path | str) -> Bundle:
    """Reads and verifies a bundle, folder or tar. Raises BundleError with its path."""
    path = Path(path)
    try:
        read = _read_folder(path) if path.is_dir() else _read_tar(path)
        return _assemble(read)
    except BundleError as error:
        raise BundleError(f"bundle {path}: {error}") from error
    except OSError as error:
        raise BundleError(f"bundle {path}: {error.strerror or error}") from error


def write_bundle(path: Path, manifest: Manifest, members: Mapping[str, bytes]) -> Manifest:
    """Writes a bundle as a folder, or as a tar if the path ends in .tar; completely or not at all.

    Returns the manifest as written. Raises BundleError if the path exists or a member is missing.
    """
    if path.exists():
        raise BundleError(f"{path} exists already")
    entries = {
        name: Member(size=len(data), sha256=_sha256(data).hex()) for name, data in members.items()
    }
    manifest = replace(manifest, members=entries)
    files = {MANIFEST: to_json(manifest).encode(), **members}
    _assemble(files)  # checked before it is written
    write = _write_tar if path.suffix == ".tar" else _write_folder
    with staged(path) as target:
        write(target, files)
    return manifest


def model_id(manifest: Manifest) -> bytes:
    """SHA-256, 32 bytes, of all that decoding depends on: input, latent, decoder and tables."""
    facts = {
        "input": asdict(manifest.input),
        "latent": asdict(manifest.latent),
        "decoder": manifest.members["decoder.onnx"].sha256,
        "tables": manifest.members["tables.npz"].sha256,
    }
    return _sha256(json.dumps(facts, sort_keys=True).encode())


def _assemble(files: Mapping[str, bytes]) -> Bundle:
    manifest = from_json(_member(files, MANIFEST))
    _verify(manifest, files)
    names = score_names(manifest.score)
    check_score_names(manifest.score.fused, names)
    steps, priors = unpack_tables(manifest, unpack_arrays(files["tables.npz"], "tables.npz"))
    calibration = Calibration.from_arrays(
        unpack_arrays(files["calibration.npz"], "calibration.npz"), len(names)
    )
    if calibration.latent_mean.shape != (manifest.latent.dims,):
        raise BundleError(
            f"calibration: {calibration.latent_mean.size} latents, the manifest says "
            f"{manifest.latent.dims}"
        )
    return Bundle(
        manifest=manifest,
        model_id=model_id(manifest),
        encoder=files["encoder.onnx"],
        decoder=files["decoder.onnx"],
        steps=steps,
        priors=priors,
        calibration=calibration,
        card=files["card.md"].decode("utf-8", "replace"),
        detectors=_detectors(manifest, files),
        segmenter=files[SEGMENTER] if SEGMENTER in manifest.members else None,
    )


def _detectors(manifest: Manifest, files: Mapping[str, bytes]) -> Detectors:
    there = DETECTORS in manifest.members
    arrays = unpack_arrays(files[DETECTORS], DETECTORS) if there else {}
    detectors = Detectors.unpack(arrays) if there else Detectors()
    check_detectors(manifest, detectors, segmenter=SEGMENTER in manifest.members)
    return detectors


def _verify(manifest: Manifest, files: Mapping[str, bytes]) -> None:
    if missing := sorted(REQUIRED - manifest.members.keys()):
        raise BundleError(f"{', '.join(missing)} missing from the manifest")
    for name, member in manifest.members.items():
        data = _member(files, name)
        if len(data) != member.size:
            raise BundleError(f"{name} has {len(data)} bytes, the manifest says {member.size}")
        if _sha256(data).hex() != member.sha256:
            raise BundleError(f"{name} is damaged: its SHA-256 is not the manifest's")


def _member(files: Mapping[str, bytes], name: str) -> bytes:
    if name not in files:
        raise BundleError(f"{name} is missing")
    return files[name]


def _read_folder(path: Path) -> dict[str, bytes]:
    files = {}
    for file in sorted(path.iterdir()):
        if file.name == MANIFEST or _MEMBER.fullmatch(file.name):
            _check_size(file.name, file.stat().st_size)
            files[file.name] = file.read_bytes()
    return files


def _read_tar(path: Path) -> dict[str, bytes]:
    if not path.exists():
        raise BundleError("no such folder or file")
    files = {}
    try:
        # "r:" accepts only uncompressed tar files: the size of a compressed one is not bounded.
        with tarfile.open(path, "r:") as archive:
            for info in archive:
                name = info.name.removeprefix("./")
                if info.isreg() and (name == MANIFEST or _MEMBER.fullmatch(name)):
                    _check_size(name, info.size)
                    stream = archive.extractfile(info)
                    files[name] = stream.read() if stream else b""
    except tarfile.TarError as error:
        raise BundleError(f"neither a folder nor an uncompressed tar ({error})") from error
    return files


def _check_size(name: str, size: int) -> None:
    limit = MAX_MANIFEST_BYTES if name == MANIFEST else MAX_MEMBER_BYTES
    if size > limit:
        raise BundleError(f"{name} has {size} bytes, at most {limit} are read")


def _write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    path.mkdir()
    for name, data in files.items():
        (path / name).write_bytes(data)


def _write_tar(path: Path, files: Mapping[str, bytes]) -> None:
    with tarfile.open(path, "w:", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
