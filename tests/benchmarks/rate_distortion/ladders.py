"""The qualities of the classical codecs. They cover more than the PSNRs of our bundles.

AVIF and JPEG XL need 15 to 30 seconds for 10,000 single files at one quality. To stay within a
quarter of an hour they have three qualities there; all images are measured at each of them.
"""

from rate_distortion.measurement import Layout

Ladder = tuple[float, ...]

_JPEG: Ladder = (1, 3, 6, 10, 15, 22, 32)
_WEBP: Ladder = (0, 1, 3, 6, 12, 20)
_SINGLE: dict[str, dict[str, Ladder]] = {
    "mnist": {"JPEG": _JPEG, "WebP": _WEBP, "AVIF": (1, 4, 8), "JPEG XL": (18, 14, 11)},
    "fashion": {"JPEG": _JPEG, "WebP": _WEBP, "AVIF": (2, 5, 10), "JPEG XL": (18, 14, 11)},
    "cifar10": {
        "JPEG": _JPEG,
        "WebP": _WEBP,
        "AVIF 4:4:4": (6, 13, 22),
        "JPEG XL": (25, 11, 6.5),
    },
    "faces": {
        "JPEG": _JPEG,
        "WebP": _WEBP,
        "AVIF": (0, 3, 6, 10, 14, 20),
        "JPEG XL": (25, 17, 13, 10, 8, 6),
    },
    "kodak": {
        "JPEG": (3, 5, 8, 12, 18, 26, 40, 60),
        "WebP": (0, 1, 4, 10, 20, 35, 55),
        "AVIF 4:2:0": (4, 10, 17, 25, 35, 45),
        "AVIF 4:4:4": (4, 10, 17, 25, 35, 45),
        "JPEG XL": (25, 15, 10, 7, 4.5, 2.5),
    },
}
_TOGETHER: dict[str, dict[str, Ladder]] = {
    "mnist": {"AVIF": (0, 1, 5, 9), "JPEG XL": (25, 16, 11, 8)},
    "fashion": {"AVIF": (1, 3, 8, 14), "JPEG XL": (25, 15, 11, 8)},
    "cifar10": {
        "AVIF 4:4:4": (4, 7, 14, 22),
        "JPEG XL": (25, 14, 9.5, 6.5),
    },
    "kodak": {
        "WebP": (0, 4, 20, 55),
        "AVIF 4:2:0": (),
        "AVIF 4:4:4": (4, 13, 25, 42),
        "JPEG XL": (25, 14, 9, 5.5, 3),
    },
}


def qualities(set_name: str, codec: str, layout: Layout) -> Ladder:
    """The qualities of a codec on a set; none where it is not measured."""
    single = _SINGLE[set_name].get(codec, ())
    return _TOGETHER.get(set_name, {}).get(codec, single) if layout == "together" else single
