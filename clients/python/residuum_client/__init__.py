"""Client of Residuum: compresses images to records of a few bytes, and scores their anomalies.

`Client` and `AsyncClient` call a server, `Offline` opens a bundle; all three give the same results.
"""

from residuum_client.admin import Admin
from residuum_client.aio import AsyncClient
from residuum_client.aio_backend import AsyncBackend
from residuum_client.backend import Backend
from residuum_client.client import Client
from residuum_client.errors import (
    ArchiveError,
    BundleError,
    DeadlineExceeded,
    InvalidInput,
    NotInstalled,
    Overloaded,
    PermissionDenied,
    RecordError,
    ResiduumError,
    ServerError,
    Unauthenticated,
    Unavailable,
    UnknownModel,
)
from residuum_client.heatmap import draw_heatmap
from residuum_client.inputs import Image
from residuum_client.offline import Offline
from residuum_client.options import EncodeOptions
from residuum_client.results import Box, Compressed, Description, ModelInfo, Region, Restored, Score
from residuum_client.transport import tls

__all__ = [
    "Admin",
    "ArchiveError",
    "AsyncBackend",
    "AsyncClient",
    "Backend",
    "Box",
    "BundleError",
    "Client",
    "Compressed",
    "DeadlineExceeded",
    "Description",
    "EncodeOptions",
    "Image",
    "InvalidInput",
    "ModelInfo",
    "NotInstalled",
    "Offline",
    "Overloaded",
    "PermissionDenied",
    "RecordError",
    "Region",
    "ResiduumError",
    "Restored",
    "Score",
    "ServerError",
    "Unauthenticated",
    "Unavailable",
    "UnknownModel",
    "draw_heatmap",
    "tls",
]
