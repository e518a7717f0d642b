# Generated from codec.proto, SHA-256 24f8a99abbba84b570f83c172d73d9eec312b4d1961afeea79924fb6fcdf609a
from google.rpc import status_pb2 as _status_pb2
from . import images_pb2 as _images_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class OnAnomaly(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ON_ANOMALY_UNSPECIFIED: _ClassVar[OnAnomaly]
    ON_ANOMALY_NONE: _ClassVar[OnAnomaly]
    ON_ANOMALY_EVIDENCE: _ClassVar[OnAnomaly]

class ImageFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    IMAGE_FORMAT_UNSPECIFIED: _ClassVar[ImageFormat]
    IMAGE_FORMAT_PIXELS: _ClassVar[ImageFormat]
    IMAGE_FORMAT_PNG: _ClassVar[ImageFormat]
ON_ANOMALY_UNSPECIFIED: OnAnomaly
ON_ANOMALY_NONE: OnAnomaly
ON_ANOMALY_EVIDENCE: OnAnomaly
IMAGE_FORMAT_UNSPECIFIED: ImageFormat
IMAGE_FORMAT_PIXELS: ImageFormat
IMAGE_FORMAT_PNG: ImageFormat

class EncodeRequest(_message.Message):
    __slots__ = ("model", "pixels", "files", "quality", "target_bytes", "target_psnr", "id", "on_anomaly", "false_alarm_rate", "partial")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PIXELS_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    TARGET_BYTES_FIELD_NUMBER: _ClassVar[int]
    TARGET_PSNR_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    ON_ANOMALY_FIELD_NUMBER: _ClassVar[int]
    FALSE_ALARM_RATE_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    model: _images_pb2.ModelRef
    pixels: _images_pb2.Pixels
    files: _images_pb2.Files
    quality: int
    target_bytes: int
    target_psnr: float
    id: int
    on_anomaly: OnAnomaly
    false_alarm_rate: float
    partial: bool
    def __init__(self, model: _Optional[_Union[_images_pb2.ModelRef, _Mapping[str, object]]] = ..., pixels: _Optional[_Union[_images_pb2.Pixels, _Mapping[str, object]]] = ..., files: _Optional[_Union[_images_pb2.Files, _Mapping[str, object]]] = ..., quality: _Optional[int] = ..., target_bytes: _Optional[int] = ..., target_psnr: _Optional[float] = ..., id: _Optional[int] = ..., on_anomaly: _Optional[_Union[OnAnomaly, str]] = ..., false_alarm_rate: _Optional[float] = ..., partial: bool = ...) -> None: ...

class EncodeResponse(_message.Message):
    __slots__ = ("records", "model", "model_id", "id", "qualities", "evidence_bytes", "errors", "status")
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    QUALITIES_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_BYTES_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedScalarFieldContainer[bytes]
    model: _images_pb2.ModelRef
    model_id: bytes
    id: int
    qualities: _containers.RepeatedScalarFieldContainer[int]
    evidence_bytes: _containers.RepeatedScalarFieldContainer[int]
    errors: _containers.RepeatedCompositeFieldContainer[_images_pb2.ItemError]
    status: _status_pb2.Status
    def __init__(self, records: _Optional[_Iterable[bytes]] = ..., model: _Optional[_Union[_images_pb2.ModelRef, _Mapping[str, object]]] = ..., model_id: _Optional[bytes] = ..., id: _Optional[int] = ..., qualities: _Optional[_Iterable[int]] = ..., evidence_bytes: _Optional[_Iterable[int]] = ..., errors: _Optional[_Iterable[_Union[_images_pb2.ItemError, _Mapping[str, object]]]] = ..., status: _Optional[_Union[_status_pb2.Status, _Mapping[str, object]]] = ...) -> None: ...

class DecodeRequest(_message.Message):
    __slots__ = ("model", "records", "format", "id", "partial")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    model: _images_pb2.ModelRef
    records: _containers.RepeatedScalarFieldContainer[bytes]
    format: ImageFormat
    id: int
    partial: bool
    def __init__(self, model: _Optional[_Union[_images_pb2.ModelRef, _Mapping[str, object]]] = ..., records: _Optional[_Iterable[bytes]] = ..., format: _Optional[_Union[ImageFormat, str]] = ..., id: _Optional[int] = ..., partial: bool = ...) -> None: ...

class DecodeResponse(_message.Message):
    __slots__ = ("pixels", "files", "model", "id", "evidence", "errors", "status")
    PIXELS_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    pixels: _images_pb2.Pixels
    files: _images_pb2.Files
    model: _images_pb2.ModelRef
    id: int
    evidence: _containers.RepeatedCompositeFieldContainer[Evidence]
    errors: _containers.RepeatedCompositeFieldContainer[_images_pb2.ItemError]
    status: _status_pb2.Status
    def __init__(self, pixels: _Optional[_Union[_images_pb2.Pixels, _Mapping[str, object]]] = ..., files: _Optional[_Union[_images_pb2.Files, _Mapping[str, object]]] = ..., model: _Optional[_Union[_images_pb2.ModelRef, _Mapping[str, object]]] = ..., id: _Optional[int] = ..., evidence: _Optional[_Iterable[_Union[Evidence, _Mapping[str, object]]]] = ..., errors: _Optional[_Iterable[_Union[_images_pb2.ItemError, _Mapping[str, object]]]] = ..., status: _Optional[_Union[_status_pb2.Status, _Mapping[str, object]]] = ...) -> None: ...

class Evidence(_message.Message):
    __slots__ = ("boxes",)
    BOXES_FIELD_NUMBER: _ClassVar[int]
    boxes: _containers.RepeatedCompositeFieldContainer[Box]
    def __init__(self, boxes: _Optional[_Iterable[_Union[Box, _Mapping[str, object]]]] = ...) -> None: ...

class Box(_message.Message):
    __slots__ = ("top", "left", "height", "width")
    TOP_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    top: int
    left: int
    height: int
    width: int
    def __init__(self, top: _Optional[int] = ..., left: _Optional[int] = ..., height: _Optional[int] = ..., width: _Optional[int] = ...) -> None: ...
