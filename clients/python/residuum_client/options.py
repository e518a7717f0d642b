"""Options of calls and constructors: what each may be, checked before anything is sent."""

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from os import PathLike, fspath
from typing import Any, TypedDict, cast

import numpy as np

from residuum_client.errors import InvalidInput

RATES = ("quality", "target_bytes", "target_psnr")
_UINT32, _ABOVE_0 = 2**32 - 1, math.ulp(0.0)
# Type, lowest and highest value of an option, and how an error describes them.
LIMITS: dict[str, tuple[type[Any], float, float, str]] = {
    "quality": (Integral, 0, _UINT32, "a level, an integer from 0 up"),
    "target_bytes": (Integral, 1, _UINT32, "at least 1, an integer"),
    "target_psnr": (Real, _ABOVE_0, sys.float_info.max, "decibels above 0"),
    "false_alarm_rate": (Real, _ABOVE_0, math.nextafter(1, 0), "a number between 0 and 1"),
    "timeout": (Real, _ABOVE_0, 1e6, "seconds above 0, at most a million"),
    "seconds": (Real, _ABOVE_0, 1e6, "seconds above 0, at most a million"),
    "threads": (Integral, 1, 1024, "an integer from 1 to 1024"),
}


class EncodeOptions(TypedDict, total=False):
    """Keywords of `encode` and `compress`; None means the same as leaving one out.

    At most one of these may be given:

    - `quality`: a level from 0, the coarsest, up. The default is the model's default level.
    - `target_bytes`: the most bytes of each record, its evidence not counted.
    - `target_psnr`: the lowest PSNR of each image, in dB.

    An image that meets the target at no quality level raises InvalidInput.

    `evidence` keeps the anomalous regions of anomalous images losslessly in their records. An image
    counts as anomalous at `false_alarm_rate`, in (0, 1), as in `score`; the default is the model's.
    """

    quality: int | None
    target_bytes: int | None
    target_psnr: float | None
    evidence: bool
    false_alarm_rate: float | None


def check_options(
    options: Mapping[str, object], spell: Callable[[str], str] = str
) -> EncodeOptions:
    """The options with Python's own numbers in place of numpy's.

    Raises InvalidInput for options that no model takes; only the model knows its highest level.
    `spell` turns the name of an option into what the user types.
    """
    known = EncodeOptions.__annotations__
    if unknown := [name for name in options if name not in known]:
        raise InvalidInput(f"unknown option {', '.join(unknown)}; expected {', '.join(known)}")
    given = [spell(name) for name in RATES if options.get(name) is not None]
    if len(given) > 1:
        raise InvalidInput(f"{' and '.join(given)} are given, expected at most one of them")
    evidence = check_flag("evidence", options.get("evidence"), spell)
    if options.get("false_alarm_rate") is not None and not evidence:
        raise InvalidInput(f"{spell('false_alarm_rate')} is given without {spell('evidence')}")
    numbers = {n: check_value(n, options.get(n), spell) for n in known if n in LIMITS}
    return cast("EncodeOptions", numbers | {"evidence": evidence})


def check_value(name: str, value: object, spell: Callable[[str], str] = str) -> Any:
    """The value of an option as an int or float; None stays None.

    Raises InvalidInput for one that no model takes. True and False do not count as numbers.
    """
    if value is None:
        return None
    kind, low, high, expected = LIMITS[name]
    if isinstance(value, kind) and not isinstance(value, bool):
        try:
            number = int(value) if kind is Integral else float(value)
        except (ValueError, TypeError, OverflowError):
            number = math.nan
        if low <= number <= high:
            return number
    raise InvalidInput(f"{spell(name)} is {shown(value)}, expected {expected}")


def check_given(name: str, value: object) -> Any:
    """`check_value` for what may not be left out. Raises InvalidInput for None too."""
    if value is None:
        raise InvalidInput(f"{name} is None, expected {LIMITS[name][3]}")
    return check_value(name, value)


def check_flag(name: str, value: object, spell: Callable[[str], str] = str) -> bool:
    """The value of a flag, False for None. Raises InvalidInput for anything but a bool."""
    if value is None or isinstance(value, bool | np.bool_):
        return bool(value)
    raise InvalidInput(f"{spell(name)} is {shown(value)}, expected True or False")


def check_text(name: str, value: object) -> str:
    """The value itself. Raises InvalidInput unless it is a string of Unicode characters."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            pass
        else:
            return value
    raise InvalidInput(f"{name} is {shown(value)}, expected a string")


def check_path(name: str, value: object) -> str:
    """The value as a string. Raises InvalidInput unless it is a path."""
    try:
        path = fspath(cast("PathLike[str]", value))
    except TypeError:
        path = None
    if not isinstance(path, str) or not path:
        raise InvalidInput(f"{name} is {shown(value)}, expected a path")
    if "\0" in path:
        raise InvalidInput(f"{name} is {shown(path)}, expected a path without null characters")
    return path


def check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    """Raises InvalidInput unless the value is one of these."""
    if not isinstance(value, str) or value not in choices:
        raise InvalidInput(
            f"{name} is {shown(value)}, expected {', '.join(choices[:-1])} or {choices[-1]}"
        )


def shown(value: object) -> str:
    """A short value as it is written in Python; the type of anything else."""
    if type(value) in (str, bytes, bool, int, float, type(None)) or isinstance(value, np.generic):
        return repr(value)[:60]
    if isinstance(value, np.ndarray):
        return f"an array {value.dtype} {list(value.shape)}"
    return f"of type {type(value).__name__}"
