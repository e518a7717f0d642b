"""The models of a running server, and how they change under load."""

import json
import shutil
import tarfile
import threading
from dataclasses import replace

import grpc
import pytest

from codec.bundle.bundle import load_bundle, write_bundle
from codec.errors import BundleError
from protos.residuum.v1 import codec_pb2, models_pb2
from protos.residuum.v1.images_pb2 import ModelRef
from service.runtime.bundle_folder import find_bundles, version_key
from service.runtime.models import ModelStore

CODE = grpc.StatusCode


@pytest.fixture
def own(bundles, running, tmp_path):
    """A server with one model whose bundle folder this test can change."""
    shutil.copytree(bundles / "tiny", tmp_path / "first")
    with running(tmp_path) as connection:
        yield connection


def rewrite(source, target, **changes):
    """A copy of a bundle with another manifest."""
    bundle = load_bundle(source)
    members = {name: (source / name).read_bytes() for name in bundle.manifest.members}
    write_bundle(target, replace(bundle.manifest, **changes), members)


def listed(connection):
    models = connection.models.ListModels(models_pb2.ListModelsRequest()).models
    return [(model.name, model.version) for model in models]


def load(connection, bundle):
    return connection.admin.LoadModel(models_pb2.LoadModelRequest(bundle=bundle)).model


def unload(connection, **reference):
    request = models_pb2.UnloadModelRequest(model=ModelRef(**reference))
    return connection.admin.UnloadModel(request)


def rejected(call, request):
    with pytest.raises(grpc.RpcError) as caught:
        call(request)
    return caught.value.code(), caught.value.details()


@pytest.mark.parametrize("port", ["models", "admin"])
def test_both_ports_describe_the_models(connection, tiny, tiny_scorer, tiny_map, port):
    models = getattr(connection, port).ListModels(models_pb2.ListModelsRequest()).models
    fixed, free = models
    manifest = tiny.manifest
    assert (fixed.name, fixed.version, fixed.family) == (
        "tiny", manifest.version, manifest.family,
    )  # fmt: skip
    assert fixed.model_id == tiny.model_id
    assert (fixed.channels, fixed.height, fixed.width, fixed.fit) == (1, 16, 16, "exact")
    assert fixed.calibration_images == tiny_scorer.calibration_images
    assert fixed.quality_levels == manifest.quality_levels
    assert fixed.provider == "cpu"
    assert fixed.bundle_bytes > 1000
    assert free.name == tiny_map.manifest.name
    assert not free.HasField("height")
    assert not free.HasField("width")


def test_a_model_has_its_card_and_manifest(connection, bundles):
    request = models_pb2.GetModelRequest(model=ModelRef(name="tiny"))
    response = connection.models.GetModel(request)
    assert response.card == (bundles / "tiny" / "card.md").read_text(encoding="utf-8")
    assert json.loads(response.manifest_json) == json.loads(
        (bundles / "tiny" / "manifest.json").read_text(encoding="utf-8")
    )


def test_models_are_loaded_and_unloaded_on_the_admin_port_only(connection):
    code, message = rejected(
        connection.models.LoadModel, models_pb2.LoadModelRequest(bundle="tiny")
    )
    assert code is CODE.PERMISSION_DENIED
    assert message == "LoadModel is available on the admin port only"
    code, _ = rejected(
        connection.models.UnloadModel, models_pb2.UnloadModelRequest(model=ModelRef(name="tiny"))
    )
    assert code is CODE.PERMISSION_DENIED
    assert [name for name, _ in listed(connection)] == ["tiny", "tiny-map"]


def test_the_newest_version_answers_unless_another_is_asked_for(own, tmp_path):
    old = tmp_path / "first"
    for version in ("1.9.0", "1.10.0"):
        rewrite(old, tmp_path / version, version=version)
        load(own, version)

    def answering(version):
        model = ModelRef(name="tiny", version=version)
        return own.models.GetModel(models_pb2.GetModelRequest(model=model)).model.version

    assert answering("") == "1.10.0"
    assert answering("1.9.0") == "1.9.0"
    unload(own, name="tiny")
    assert answering("") == "1.9.0"


def test_versions_are_ordered_by_their_numbers():
    descending = ["10", "2-rc1", "1.10.0", "1.9.0", "1.2", "1.0.1", "1", "0.9"]
    assert sorted(descending, key=version_key, reverse=True) == descending


def test_a_tar_is_a_bundle(own, tmp_path):
    rewrite(tmp_path / "first", tmp_path / "staged" / "second", name="second")
    with tarfile.open(tmp_path / "second.tar", "w:") as tar:
        for file in (tmp_path / "staged" / "second").iterdir():
            tar.add(file, file.name)
    assert load(own, "second.tar").name == "second"
    assert [name for name, _ in listed(own)] == ["second", "tiny"]


@pytest.mark.parametrize("name", ["", ".", "..", "../first", "/etc", "first/", "f\0", "staged"])
def test_only_names_of_bundles_in_the_folder_are_loaded(own, tmp_path, name):
    (tmp_path / "staged").mkdir()
    code, message = rejected(own.admin.LoadModel, models_pb2.LoadModelRequest(bundle=name))
    assert code is CODE.NOT_FOUND
    assert message.endswith("is not in the bundle folder; available: first")


def test_a_damaged_bundle_does_not_replace_a_good_one(own, tmp_path, pictures, pixels):
    decoder = tmp_path / "first" / "decoder.onnx"
    decoder.write_bytes(decoder.read_bytes()[:-1] + b"?")
    code, message = rejected(own.admin.LoadModel, models_pb2.LoadModelRequest(bundle="first"))
    assert code is CODE.FAILED_PRECONDITION
    assert "decoder.onnx is damaged" in message
    request = codec_pb2.EncodeRequest(model=ModelRef(name="tiny"), pixels=pixels(pictures(1)))
    assert len(own.codec.Encode(request).records) == 1


def test_an_unloaded_model_is_gone(own):
    unload(own, name="tiny")
    assert listed(own) == []
    code, message = rejected(
        own.models.GetModel, models_pb2.GetModelRequest(model=ModelRef(name="tiny"))
    )
    assert code is CODE.NOT_FOUND
    assert message == "model 'tiny' is not loaded; loaded models: none"


def test_a_model_is_replaced_under_load_without_a_failed_call(own, tiny, pictures, pixels):
    images = pictures(4)
    expected = tiny.compress(list(images))
    request = codec_pb2.EncodeRequest(model=ModelRef(name="tiny"), pixels=pixels(images))
    enough, answers, errors = threading.Event(), [], []

    def caller():
        while not enough.is_set():
            try:
                answers.append(list(own.codec.Encode(request, timeout=20).records))
            except grpc.RpcError as error:
                errors.append(error)

    callers = [threading.Thread(target=caller) for _ in range(4)]
    for thread in callers:
        thread.start()
    for _ in range(10):
        load(own, "first")
    enough.set()
    for thread in callers:
        thread.join()
    assert not errors
    assert answers
    assert all(records == expected for records in answers)


@pytest.fixture
def store(tmp_path):
    """The store of a server that is about to load the bundles of a folder."""
    return ModelStore(tmp_path / "all", "cpu", 1)


def test_a_damaged_bundle_stops_the_start(bundles, store, tmp_path):
    shutil.copytree(bundles / "tiny", tmp_path / "all" / "broken")
    (tmp_path / "all" / "broken" / "tables.npz").unlink()
    with pytest.raises(BundleError, match=r"broken: tables.npz is missing"):
        store.load_all()


def test_a_default_false_alarm_rate_that_the_calibration_does_not_support_stops_the_start(
    bundles, store, tmp_path
):
    score = replace(load_bundle(bundles / "tiny").manifest.score, false_alarm_rate=1e-4)
    rewrite(bundles / "tiny", tmp_path / "all" / "strict", score=score)
    with pytest.raises(BundleError) as caught:
        store.load_all()
    count = len(load_bundle(bundles / "tiny").calibration.fused)
    assert str(caught.value) == (
        f"bundle {tmp_path / 'all' / 'strict'}: default false-alarm rate 0.0001 needs 9999 "
        f"calibration images, the model has {count}; calibrate it again: "
        "residuum-export BUNDLE --out NEW --calibrate DIR"
    )


def test_two_bundles_of_one_name_and_version_stop_the_start(bundles, store, tmp_path):
    for name in ("a", "b"):
        shutil.copytree(bundles / "tiny", tmp_path / "all" / name)
    with pytest.raises(BundleError, match="bundles a and b have the same name and version: tiny "):
        store.load_all()


@pytest.mark.parametrize("packed", [False, True])
def test_one_bundle_is_served_and_can_be_loaded_again(bundles, running, tmp_path, packed):
    if packed:
        rewrite(bundles / "tiny", tmp_path / "alone.tar")
    else:
        shutil.copytree(bundles / "tiny", tmp_path / "alone")
    (path,) = tmp_path.iterdir()
    with running(path) as connection:
        assert [name for name, _ in listed(connection)] == ["tiny"]
        assert load(connection, path.name).name == "tiny"
        code, message = rejected(
            connection.admin.LoadModel, models_pb2.LoadModelRequest(bundle="encoder.onnx")
        )
    assert code is CODE.NOT_FOUND
    assert message.endswith(f"is not in the bundle folder; available: {path.name}")


def test_bundles_of_a_folder_that_has_a_manifest_itself_are_served(bundles, store, tmp_path):
    shutil.copytree(bundles, tmp_path / "all")
    (tmp_path / "all" / "manifest.json").write_text("{}")
    assert [*find_bundles(store._path)] == ["tiny", "tiny-map"]


NOT_BUNDLES = {
    "": "no bundles in {all}: expected folders with manifest.json, or uncompressed .tar files; "
    "there is nothing",
    "notes/ a.tar.gz": "no bundles in {all}: expected folders with manifest.json, or uncompressed "
    ".tar files; there is a.tar.gz, notes",
    "a/ b/ c/ d/ e/ f/": "no bundles in {all}: expected folders with manifest.json, or "
    "uncompressed .tar files; there is a, b, c, d, e, …",
    "new/1/manifest.json": "no bundles in {all}, but in {all}/new: give that folder",
    "very/new/1.tar": "no bundles in {all}, but in {all}/very/new: give that folder",
    "best.safetensors": "{all} is a training run: residuum-export makes a bundle of it",
    ".hidden/manifest.json": "no bundles in {all}: expected folders with manifest.json, or "
    "uncompressed .tar files; there is .hidden",
}


@pytest.mark.parametrize("content", NOT_BUNDLES)
def test_a_folder_without_bundles_stops_the_start(store, tmp_path, content):
    (tmp_path / "all").mkdir()
    for name in content.split():
        path = tmp_path / "all" / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.touch()
    with pytest.raises(BundleError) as caught:
        store.load_all()
    assert str(caught.value) == NOT_BUNDLES[content].format(all=tmp_path / "all")


def test_a_file_that_is_not_a_bundle_stops_the_start(store, tmp_path):
    (tmp_path / "all").write_text("a list of models")
    with pytest.raises(BundleError) as caught:
        store.load_all()
    assert str(caught.value) == (
        f"{tmp_path / 'all'} is not a bundle: expected a folder of bundles, or one bundle, a "
        "folder with manifest.json or an uncompressed .tar file"
    )


def test_a_missing_folder_stops_the_start(store):
    with pytest.raises(BundleError, match=r"all: No such file"):
        store.load_all()
