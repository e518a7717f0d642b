"""The facts of a model, frozen, and their strict JSON form (`manifest.json` of a bundle)."""

import dataclasses
import json
import re
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, get_args

from codec.detectors.candidates import Candidate
from codec.errors import BundleError
from codec.images.input_spec import InputSpec, require
from codec.record.frame import LEVELS

T = TypeVar("T")
FORMAT = 1
# Version of the formulas of codec.scores.scores. A calibration is valid only for the formulas that
# it was made with: increase this when a formula or a constant changes there; older bundles must
# then be calibrated again.
SCORE_DEFINITION = 1
Kind = Literal["gaussian", "indices"]
PriorName = Literal["factorised", "mixture", "map", "neighbours"]
# Checked before anything is allocated.
MAX_DIMS = 65536
MAX_CODEBOOK = 65535
MAX_CANDIDATES = 128
_CANDIDATE_FIELDS = ("candidates", "heatmap")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentSpec:
    """The output of the encoder.

    `dims` values per position: posterior means and log-variances if the `kind` is `gaussian`,
    numbers in 0 .. `codebook` - 1 if it is `indices` (`codebook` is None for gaussian). `grid` is
    (rows, columns) of the positions for models of a fixed size, (1, 1) for a global latent, and
    None if it depends on the image: (height / stride, width / stride). A `rate_aware` decoder takes
    log2 of the step multiplier as an additional last channel. `prior` is the prior of the codes.
    Raises BundleError.
    """

    kind: Kind
    dims: int
    codebook: int | None = None
    grid: tuple[int, int] | None
    rate_aware: bool = False
    prior: PriorName = "factorised"

    def __post_init__(self) -> None:
        require(self.kind in get_args(Kind), f"kind={self.kind!r}, expected {get_args(Kind)}")
        require(1 <= self.dims <= MAX_DIMS, f"dims={self.dims}, expected 1..{MAX_DIMS}")
        require(
            (self.codebook is None) == (self.kind == "gaussian"),
            f"codebook={self.codebook} with kind={self.kind!r}: indices have one, others do not",
        )
        require(
            self.codebook is None or 2 <= self.codebook <= MAX_CODEBOOK,
            f"codebook={self.codebook}, expected 2..{MAX_CODEBOOK}",
        )
        require(
            self.prior in get_args(PriorName),
            f"prior={self.prior!r}, expected {get_args(PriorName)}",
        )
        require(
            self.prior in ("factorised", *self._own_priors()),
            f"prior={self.prior!r} with kind={self.kind!r} and grid={self.grid}",
        )
        require(
            not self.rate_aware or self.kind == "gaussian",
            f"rate_aware with kind={self.kind!r}: only steps can be coarser or finer",
        )

    def _own_priors(self) -> tuple[PriorName, ...]:
        if self.kind == "indices":
            return ("neighbours",)
        return ("mixture",) if self.grid == (1, 1) else ("map",)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreSpec:
    """How images are scored, with the formulas of codec.scores.scores.

    `definition` is the version of the formulas that the calibration was made with. `blur` is the
    side, in pixels, of the smoothing window of the heat map; `peak_blur` that of the maps whose
    largest values are image scores. `candidates` are scores in addition to those of SCORE_NAMES, at
    most 128, and `fused` names the scores of the verdict among all of them. `heatmap` names the
    candidates whose maps make the heat map; if it is empty, the residual does. Raises BundleError.
    """

    definition: int = SCORE_DEFINITION
    blur: int = 13
    peak_blur: int = 3
    fused: tuple[str, ...] = ("peak",)
    false_alarm_rate: float = 0.01
    candidates: tuple[Candidate, ...] = ()
    heatmap: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require(
            self.definition == SCORE_DEFINITION,
            f"calibrated for scores of definition {self.definition}, this software computes "
            f"{SCORE_DEFINITION}: export the run again",
        )
        require(self.blur % 2 == 1 and self.blur > 0, f"blur={self.blur}, expected odd")
        require(
            self.peak_blur % 2 == 1 and self.peak_blur > 0,
            f"peak_blur={self.peak_blur}, expected odd",
        )
        require(len(self.fused) > 0, "no score is fused")
        for name in (*self.fused, *self.heatmap):
            require(isinstance(name, str), f"{name!r} is not the name of a score")
        require(
            0 < self.false_alarm_rate < 1,
            f"false_alarm_rate={self.false_alarm_rate}, expected in (0, 1)",
        )
        self._check_candidates()

    def _check_candidates(self) -> None:
        names = [candidate.name for candidate in self.candidates]
        require(
            len(names) <= MAX_CANDIDATES,
            f"{len(names)} candidates, expected at most {MAX_CANDIDATES}",
        )
        for listed in (names, self.heatmap):
            require(len(set(listed)) == len(listed), f"{', '.join(listed)}: a name occurs twice")
        for name in self.heatmap:
            require(name in names, f"the heat map is of {name!r}, which is not a candidate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Size in bytes and SHA-256 (hex) of one file of the bundle."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything about a model except its arrays. Raises BundleError."""

    name: str
    version: str
    family: str
    input: InputSpec
    latent: LatentSpec
    quality_default: int
    quality_levels: int
    score: ScoreSpec
    members: dict[str, Member] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    format: int = FORMAT

    def __post_init__(self) -> None:
        require(self.format == FORMAT, f"format {self.format}, this software reads {FORMAT}")
        require(isinstance(self.family, str), f"family={self.family!r}, expected a string")
        for word in (self.name, self.version):
            require(
                isinstance(word, str) and _NAME.fullmatch(word) is not None,
                f"{word!r} is not a name: lower-case letters, digits, '.', '_', '-', at most 64",
            )
        require(
            1 <= self.quality_levels <= LEVELS,
            f"quality_levels={self.quality_levels}, expected 1..{LEVELS}",
        )
        require(
            0 <= self.quality_default < self.quality_levels,
            f"quality_default={self.quality_default}, expected 0..{self.quality_levels - 1}",
        )


def to_json(manifest: Manifest) -> str:
    """The manifest as JSON text, keys in a stable order.

    Fields that older software does not know are left out where they are empty.
    """
    raw = dataclasses.asdict(manifest)
    for name in _CANDIDATE_FIELDS:
        if not raw["score"][name]:
            del raw["score"][name]
    return json.dumps(raw, indent=1, sort_keys=True) + "\n"


def from_json(text: str | bytes) -> Manifest:
    """Reads `to_json`'s text. Raises BundleError on any missing, unknown or impossible field."""
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"manifest: not JSON ({error})") from error
    require(isinstance(raw, dict), f"{type(raw).__name__}, expected an object")
    require(
        raw.get("format") == FORMAT, f"format {raw.get('format')!r}, this software reads {FORMAT}"
    )
    parts = dict(raw)
    parts["input"] = _part(InputSpec, _with(raw.get("input"), reach=None))
    parts["latent"] = _part(LatentSpec, raw.get("latent"), grid=_pair)
    score = _with(raw.get("score"), **dict.fromkeys(_CANDIDATE_FIELDS, ()))
    parts["score"] = _part(ScoreSpec, score, fused=tuple, heatmap=tuple, candidates=_candidates)
    members = raw.get("members")
    require(isinstance(members, dict), "members missing")
    parts["members"] = {name: _part(Member, member) for name, member in members.items()}
    return _part(Manifest, parts)


def _with(raw: Any, **fields: Any) -> Any:
    """Adds fields to manifests that are older than these."""
    return {**fields, **raw} if isinstance(raw, dict) else raw


def _candidates(raw: Any) -> tuple[Candidate, ...]:
    return tuple(_part(Candidate, one) for one in raw)


def _pair(value: Any) -> tuple[int, int] | None:
    return None if value is None else (int(value[0]), int(value[1]))


def _part(cls: type[T], raw: Any, **converters: Any) -> T:
    require(isinstance(raw, dict), f"{cls.__name__} is {type(raw).__name__}, expected an object")
    known = {f.name for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    require(
        raw.keys() == known, f"{cls.__name__} has fields {sorted(raw)}, expected {sorted(known)}"
    )
    try:
        return cls(**{k: converters.get(k, lambda v: v)(v) for k, v in raw.items()})
    except (TypeError, ValueError, LookupError) as error:
        raise BundleError(f"manifest: {cls.__name__} cannot be read ({error})") from error
