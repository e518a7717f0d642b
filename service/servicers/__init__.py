"""The RPC handlers, the interceptor around them, and message conversion."""

from service.servicers.anomaly import AnomalyServicer
from service.servicers.codec import CodecServicer
from service.servicers.interceptor import RpcInterceptor
from service.servicers.models import ModelServicer

__all__ = ["AnomalyServicer", "CodecServicer", "ModelServicer", "RpcInterceptor"]
