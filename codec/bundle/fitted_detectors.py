"""Whether the detectors of a bundle are those that its manifest asks for."""

from codec.bundle.manifest import Manifest
from codec.detectors.candidates import NATIVE_MAPS, Candidate
from codec.detectors.detectors import Detectors
from codec.errors import BundleError

SEGMENTER_MAP = "segmenter"


def needs_segmenter(manifest: Manifest) -> bool:
    """Whether a score or the heat map of a bundle is made of the map of the segmenter."""
    return any(one.map == SEGMENTER_MAP for one in manifest.score.candidates)


def check_detectors(manifest: Manifest, detectors: Detectors, *, segmenter: bool) -> None:
    """Raises BundleError unless every candidate has its map, and every map of the heat map its
    range; detectors that no candidate uses are accepted. `segmenter` says whether there is one.
    """
    for name, detector in detectors.by_name.items():
        if detector.channels != manifest.input.channels:
            raise BundleError(
                f"{name} takes {detector.channels} channels, "
                f"the manifest says {manifest.input.channels}"
            )
    for candidate in manifest.score.candidates:
        _check_map(candidate, detectors, segmenter)
        if candidate.normalised:
            _check_scale(candidate, manifest, detectors)
    count, wanted = len(detectors.floor), len(manifest.score.heatmap)
    if wanted and count != wanted:
        raise BundleError(f"ranges of {count} maps for a heat map of {wanted}")


def _check_map(candidate: Candidate, detectors: Detectors, segmenter: bool) -> None:
    if candidate.map == SEGMENTER_MAP and not segmenter:
        raise BundleError(f"{candidate.name} needs segmenter.onnx, which is missing")
    if candidate.map not in NATIVE_MAPS and candidate.map not in detectors.by_name:
        raise BundleError(f"{candidate.name} needs the detector {candidate.map}, which is missing")


def _check_scale(candidate: Candidate, manifest: Manifest, detectors: Detectors) -> None:
    """Maps at the resolution of the image can be normalised only if all images have one size."""
    spec, scale = manifest.input, detectors.scales.get(candidate.map)
    if scale is None:
        raise BundleError(f"{candidate.name} needs {candidate.map}.scale, which is missing")
    if candidate.map in NATIVE_MAPS and (spec.sized or scale.shape != (spec.height, spec.width)):
        raise BundleError(
            f"{candidate.map}.scale is {list(scale.shape)}, but the images are of "
            f"{'any size' if spec.sized else f'{spec.height}x{spec.width}'}"
        )
