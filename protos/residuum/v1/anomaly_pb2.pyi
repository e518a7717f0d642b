# Generated from anomaly.proto, SHA-256 2d5d6cf1f75f19d6cd5f9dd610ffc67dd7cb1adf9daa5d652e3508f227c373f3
from google.rpc import status_pb2 as _status_pb2
from . import images_pb2 as _images_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ScoreRequest(_message.Message):
    __slots__ = ("model", "pixels", "files", "false_alarm_rate", "heatmaps", "id", "partial")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PIXELS_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    FALSE_ALARM_RATE_FIELD_NUMBER: _ClassVar[int]
    HEATMAPS_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    model: _images_pb2.ModelRef
    pixels: _images_pb2.Pixels
    files: _images_pb2.Files
    false_alarm_rate: float
    heatmaps: bool
    id: int
    partial: bool
    def __init__(self, model: _Optional[_Union[_images_pb2.ModelRef, _Mapping[str, object]]] = ..., pixels: _Optional[_Union[_images_pb2.Pixels, _Mapping[str, object]]] = ..., files: _Optional[_Union[_images_pb2.Files, _Mapping[str, object]]] = ..., false_alarm_rate: _Optional[float] = ..., heatmaps: bool = ..., id: _Optional[int] = ..., partial: bool = ...) -> None: ...

class ScoreResponse(_message.Message):
    __slots__ = ("results", "model", "heat_scale", "id", "errors", "status")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    HEAT_SCALE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[ImageScore]
    model: _images_pb2.ModelRef
    heat_scale: float
    id: int
    errors: _containers.RepeatedCompositeFieldContainer[_images_pb2.ItemError]
    status: _status_pb2.Status
    def __init__(self, results: _Optional[_Iterable[_Union[ImageScore, _Mapping[str, object]]]] = ..., model: _Optional[_Union[_images_pb2.ModelRef, _Mapping[str, object]]] = ..., heat_scale: _Optional[float] = ..., id: _Optional[int] = ..., errors: _Optional[_Iterable[_Union[_images_pb2.ItemError, _Mapping[str, object]]]] = ..., status: _Optional[_Union[_status_pb2.Status, _Mapping[str, object]]] = ...) -> None: ...

class ImageScore(_message.Message):
    __slots__ = ("score", "p_value", "anomalous", "scores", "record_bytes", "heatmap", "regions")
    class ScoresEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    SCORE_FIELD_NUMBER: _ClassVar[int]
    P_VALUE_FIELD_NUMBER: _ClassVar[int]
    ANOMALOUS_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    RECORD_BYTES_FIELD_NUMBER: _ClassVar[int]
    HEATMAP_FIELD_NUMBER: _ClassVar[int]
    REGIONS_FIELD_NUMBER: _ClassVar[int]
    score: float
    p_value: float
    anomalous: bool
    scores: _containers.ScalarMap[str, float]
    record_bytes: int
    heatmap: Heatmap
    regions: _containers.RepeatedCompositeFieldContainer[Region]
    def __init__(self, score: _Optional[float] = ..., p_value: _Optional[float] = ..., anomalous: bool = ..., scores: _Optional[_Mapping[str, float]] = ..., record_bytes: _Optional[int] = ..., heatmap: _Optional[_Union[Heatmap, _Mapping[str, object]]] = ..., regions: _Optional[_Iterable[_Union[Region, _Mapping[str, object]]]] = ...) -> None: ...

class Region(_message.Message):
    __slots__ = ("left", "top", "width", "height", "area", "score", "p_value")
    LEFT_FIELD_NUMBER: _ClassVar[int]
    TOP_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    AREA_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    P_VALUE_FIELD_NUMBER: _ClassVar[int]
    left: int
    top: int
    width: int
    height: int
    area: int
    score: float
    p_value: float
    def __init__(self, left: _Optional[int] = ..., top: _Optional[int] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., area: _Optional[int] = ..., score: _Optional[float] = ..., p_value: _Optional[float] = ...) -> None: ...

class Heatmap(_message.Message):
    __slots__ = ("height", "width", "data")
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    height: int
    width: int
    data: bytes
    def __init__(self, height: _Optional[int] = ..., width: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...
