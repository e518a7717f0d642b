"""The main function of a serving process, which the supervisor starts."""

import contextlib
import logging
import signal
import sys
from multiprocessing.connection import Connection, wait

from google.protobuf.message import Message
from prometheus_client import CollectorRegistry

from codec.errors import ResiduumError
from protos.residuum.v1 import models_pb2 as pb
from service.log import configure_log
from service.runtime.loaded_model import LoadedModel
from service.runtime.memory import Housekeeping, freeze_memory, return_large_blocks
from service.runtime.models import ModelStore
from service.server.commands import Command, Method, Start, Started, StartFailed
from service.server.data_port import DataPort
from service.server.grpc_server import ListenError
from service.server.heartbeat import Heartbeat
from service.server.metrics_files import MetricsFileError, remove_folder, reserve_files
from service.servicers.message_conversion import model_message
from service.servicers.models import ModelServicer
from service.signals import catch
from service.status import Failure, failure_of

# As a module that is run, it has another name.
_LOG = logging.getLogger("service.server.process")


def main() -> None:
    """Serves on the data port until SIGTERM, a command to drain, or the end of the supervisor.

    The arguments of the command are two file descriptors: of the pipe to the supervisor, and of
    the one for heartbeats, which stays open until this process ends.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is left to the supervisor
    terminated = catch(signal.SIGTERM)
    return_large_blocks()
    supervisor: Connection = Connection(int(sys.argv[1]))
    with contextlib.suppress(EOFError, ConnectionError):
        _serve(supervisor, terminated)
    if _is_gone(supervisor):
        remove_folder()


def _serve(supervisor: Connection, terminated: int) -> None:
    """Raises EOFError or ConnectionError if the supervisor is gone before it has asked to start."""
    start: Start = supervisor.recv()
    configure_log(start.settings.log_format, start.settings.log_level)
    data_port = _start(start, supervisor)
    if data_port is None:
        return
    servicer = ModelServicer(data_port.models, admin=True)
    while supervisor in wait([supervisor, terminated]):
        try:
            command: Command = supervisor.recv()
        except (EOFError, OSError):
            _LOG.warning("the supervisor is gone; draining")
            break
        if command.method is Method.DRAIN:
            break
        _send(supervisor, _answer(servicer, command))
    data_port.drain(start.settings.drain_seconds)


def _start(start: Start, supervisor: Connection) -> DataPort | None:
    """The data port with its models loaded, serving; None, reported to the supervisor, if not."""
    try:
        reserve_files()
        data_port = DataPort(start.settings, start.port, CollectorRegistry())
        if supervisor.poll():  # it is gone, or does not want this process any more
            return None
        loaded = _load(data_port.models, start)
        freeze_memory()
        data_port.start()
    except (ResiduumError, ListenError, MetricsFileError) as error:
        _send(supervisor, StartFailed(str(error)))
        return None
    messages = {name: model_message(model).SerializeToString() for name, model in loaded.items()}
    Housekeeping().start()
    Heartbeat(int(sys.argv[2]), data_port.seconds_computing).start()
    _send(supervisor, Started(messages))
    return data_port


def _load(models: ModelStore, start: Start) -> dict[str, LoadedModel]:
    """The models by bundle. Raises BundleError and UnknownModel."""
    if start.bundles is None:
        return models.load_all()
    return models.load_again(start.bundles, complete=start.complete)


def _send(supervisor: Connection, message: object) -> None:
    """Sends a message. A supervisor that is gone is noticed when the next command is read."""
    with contextlib.suppress(OSError):
        supervisor.send(message)


def _is_gone(supervisor: Connection) -> bool:
    try:
        while supervisor.poll():
            supervisor.recv()
    except (EOFError, OSError):
        return True
    return False


def _answer(servicer: ModelServicer, command: Command) -> bytes | Failure:
    try:
        return _respond(servicer, command).SerializeToString()
    except Exception as error:  # noqa: BLE001 - every error goes to the caller of the admin port
        return failure_of(error)


def _respond(servicer: ModelServicer, command: Command) -> Message:
    match command.method:
        case Method.LOAD:
            return servicer.LoadModel(pb.LoadModelRequest.FromString(command.request), None)
        case Method.UNLOAD:
            return servicer.UnloadModel(pb.UnloadModelRequest.FromString(command.request), None)
        case Method.GET:
            return servicer.GetModel(pb.GetModelRequest.FromString(command.request), None)
        case _:
            return servicer.ListModels(pb.ListModelsRequest.FromString(command.request), None)


if __name__ == "__main__":
    main()
