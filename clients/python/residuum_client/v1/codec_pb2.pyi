# Made from codec.proto, SHA-256 9fd06ad5494286e638eb4129060b79aebd6813bb0072df7b5976e29fb35b3e7a
from . import images_pb2 as _images_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ImageFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    IMAGE_FORMAT_UNSPECIFIED: _ClassVar[ImageFormat]
    IMAGE_FORMAT_PIXELS: _ClassVar[ImageFormat]
    IMAGE_FORMAT_PNG: _ClassVar[ImageFormat]
IMAGE_FORMAT_UNSPECIFIED: ImageFormat
IMAGE_FORMAT_PIXELS: ImageFormat
IMAGE_FORMAT_PNG: ImageFormat

class EncodeRequest(_message.Message):
    __slots__ = ("model", "pixels", "files", "quality", "id")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PIXELS_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    model: _images_pb2.ModelRef
    pixels: _images_pb2.Pixels
    files: _images_pb2.Files
    quality: int
    id: int
    def __init__(self, model: _Optional[_Union[_images_pb2.ModelRef, _Mapping[str, object]]] = ..., pixels: _Optional[_Union[_images_pb2.Pixels, _Mapping[str, object]]] = ..., files: _Optional[_Union[_images_pb2.Files, _Mapping[str, object]]] = ..., quality: _Optional[int] = ..., id: _Optional[int] = ...) -> None: ...

class EncodeResponse(_message.Message):
    __slots__ = ("records", "model", "model_id", "id")
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedScalarFieldContainer[bytes]
    model: _images_pb2.ModelRef
    model_id: bytes
    id: int
    def __init__(self, records: _Optional[_Iterable[bytes]] = ..., model: _Optional[_Union[_images_pb2.ModelRef, _Mapping[str, object]]] = ..., model_id: _Optional[bytes] = ..., id: _Optional[int] = ...) -> None: ...

class DecodeRequest(_message.Message):
    __slots__ = ("model", "records", "format", "id")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    model: _images_pb2.ModelRef
    records: _containers.RepeatedScalarFieldContainer[bytes]
    format: ImageFormat
    id: int
    def __init__(self, model: _Optional[_Union[_images_pb2.ModelRef, _Mapping[str, object]]] = ..., records: _Optional[_Iterable[bytes]] = ..., format: _Optional[_Union[ImageFormat, str]] = ..., id: _Optional[int] = ...) -> None: ...

class DecodeResponse(_message.Message):
    __slots__ = ("pixels", "files", "model", "id")
    PIXELS_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    pixels: _images_pb2.Pixels
    files: _images_pb2.Files
    model: _images_pb2.ModelRef
    id: int
    def __init__(self, pixels: _Optional[_Union[_images_pb2.Pixels, _Mapping[str, object]]] = ..., files: _Optional[_Union[_images_pb2.Files, _Mapping[str, object]]] = ..., model: _Optional[_Union[_images_pb2.ModelRef, _Mapping[str, object]]] = ..., id: _Optional[int] = ...) -> None: ...
