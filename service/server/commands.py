"""What the supervisor and a serving process say to each other, over a pipe.

A process gets `Start`, and sends `Started`, or the sentence of the error that ended it. It then
answers each `Command` with a serialised response message, or with a `Failure`. The end of the pipe
means that the other one is gone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from service.settings import Settings


class Method(Enum):
    """What a process can be asked for; all but the last are RPCs of ModelService."""

    LIST = "ListModels"
    GET = "GetModel"
    LOAD = "LoadModel"
    UNLOAD = "UnloadModel"
    DRAIN = "drain"


@dataclass(frozen=True, slots=True)
class Command:
    """A method and its serialised request."""

    method: Method
    request: bytes = b""


@dataclass(frozen=True, slots=True)
class Start:
    """What a process needs to start.

    `bundles` are those that it loads, by name, with their digests; None means all of the folder.
    Unless it must be `complete`, those that are not as they were are left out.
    """

    settings: Settings
    port: int
    bundles: Mapping[str, bytes] | None = None
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Started:
    """A process is ready; serialised descriptions of its models by the names of their bundles."""

    models: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class StartFailed:
    """Why a process could not start, for the user."""

    sentence: str
