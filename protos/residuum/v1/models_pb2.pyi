# Generated from models.proto, SHA-256 bf93bad3c8eee5957743e0591e1688d1443d2b6984206e545294afb8892cf5ba
from . import images_pb2 as _images_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Model(_message.Message):
    __slots__ = ("name", "version", "model_id", "family", "channels", "height", "width", "fit", "default_quality", "quality_levels", "false_alarm_rate", "calibration_images", "provider", "bundle_bytes", "false_alarm_rate_bound", "bundle_digest")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    FAMILY_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    FIT_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_QUALITY_FIELD_NUMBER: _ClassVar[int]
    QUALITY_LEVELS_FIELD_NUMBER: _ClassVar[int]
    FALSE_ALARM_RATE_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_IMAGES_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_BYTES_FIELD_NUMBER: _ClassVar[int]
    FALSE_ALARM_RATE_BOUND_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    model_id: bytes
    family: str
    channels: int
    height: int
    width: int
    fit: str
    default_quality: int
    quality_levels: int
    false_alarm_rate: float
    calibration_images: int
    provider: str
    bundle_bytes: int
    false_alarm_rate_bound: float
    bundle_digest: bytes
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., model_id: _Optional[bytes] = ..., family: _Optional[str] = ..., channels: _Optional[int] = ..., height: _Optional[int] = ..., width: _Optional[int] = ..., fit: _Optional[str] = ..., default_quality: _Optional[int] = ..., quality_levels: _Optional[int] = ..., false_alarm_rate: _Optional[float] = ..., calibration_images: _Optional[int] = ..., provider: _Optional[str] = ..., bundle_bytes: _Optional[int] = ..., false_alarm_rate_bound: _Optional[float] = ..., bundle_digest: _Optional[bytes] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping[str, object]]]] = ...) -> None: ...

class GetModelRequest(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: _images_pb2.ModelRef
    def __init__(self, model: _Optional[_Union[_images_pb2.ModelRef, _Mapping[str, object]]] = ...) -> None: ...

class GetModelResponse(_message.Message):
    __slots__ = ("model", "card", "manifest_json")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CARD_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_JSON_FIELD_NUMBER: _ClassVar[int]
    model: Model
    card: str
    manifest_json: str
    def __init__(self, model: _Optional[_Union[Model, _Mapping[str, object]]] = ..., card: _Optional[str] = ..., manifest_json: _Optional[str] = ...) -> None: ...

class LoadModelRequest(_message.Message):
    __slots__ = ("bundle",)
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    bundle: str
    def __init__(self, bundle: _Optional[str] = ...) -> None: ...

class LoadModelResponse(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: Model
    def __init__(self, model: _Optional[_Union[Model, _Mapping[str, object]]] = ...) -> None: ...

class UnloadModelRequest(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: _images_pb2.ModelRef
    def __init__(self, model: _Optional[_Union[_images_pb2.ModelRef, _Mapping[str, object]]] = ...) -> None: ...

class UnloadModelResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
