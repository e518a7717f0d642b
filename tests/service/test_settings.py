"""Settings from flags and environment variables."""

import os
from pathlib import Path

import pytest

from service.settings import SettingsError, read_settings


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    """Keeps the environment of the test run out of the tests."""
    for name in list(os.environ):
        if name.startswith("RESIDUUM_"):
            monkeypatch.delenv(name)


def read(*arguments, environment=None):
    return read_settings(arguments, environment or {})


def test_only_the_folder_is_required():
    settings = read("--bundles", "models")
    assert settings.bundles == Path("models")
    assert (settings.port, settings.admin_port, settings.metrics_port) == (50051, None, 9464)
    assert settings.provider == "auto"


def test_every_setting_is_a_flag():
    settings = read(
        *("--bundles", "models", "--port", "1", "--admin-port", "2", "--metrics-port", "3"),
        *("--provider", "cpu", "--threads", "2", "--max-batch-rows", "8"),
        *("--batch-window-ms", "0.5", "--max-queue-rows", "9", "--max-message-mb", "4"),
        *("--max-images", "10", "--workers", "5", "--drain-seconds", "6", "--host", "::1"),
    )
    assert settings.max_batch_rows == 8
    assert settings.batch_window_ms == 0.5
    assert (settings.drain_seconds, settings.workers, settings.host) == (6.0, 5, "::1")


def test_a_variable_applies_where_no_flag_does(monkeypatch):
    environment = {"RESIDUUM_BUNDLES": "there", "RESIDUUM_PORT": "7", "RESIDUUM_WORKERS": "3"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = read("--port", "8", environment=environment)
    assert (settings.bundles, settings.port, settings.workers) == (Path("there"), 8, 3)


def test_a_misspelt_variable_fails_and_lists_the_known_ones():
    with pytest.raises(SettingsError, match=r"RESIDUUM_BUNDELS; expected RESIDUUM_ADMIN_HOST,"):
        read("--bundles", "x", environment={"RESIDUUM_BUNDELS": "models"})


def test_the_service_links_of_kubernetes_are_explained():
    with pytest.raises(SettingsError, match="enableServiceLinks"):
        read("--bundles", "x", environment={"RESIDUUM_PORT_50051_TCP": "tcp://10.0.0.1:50051"})


def test_a_missing_folder_is_reported():
    with pytest.raises(SettingsError, match=r"^--bundles or RESIDUUM_BUNDLES is required$"):
        read()


@pytest.mark.parametrize(
    ("flag", "value", "expected"),
    [
        ("--port", "65536", "at most 65535"),
        ("--port", "http", "an integer"),
        ("--port", "1.5", "an integer"),
        ("--provider", "tpu", "auto, cpu or cuda"),
        ("--host", "", "an address"),
        ("--threads", "0", "at least 1"),
        ("--threads", "100000", "at most 1024"),
        ("--workers", "100000", "at most 4096"),
        ("--drain-seconds", "inf", "at most 86400.0"),
        ("--max-queue-rows", "-1", "at least 1"),
        ("--batch-window-ms", "2000", "at most 1000.0"),
        ("--drain-seconds", "soon", "a number"),
    ],
)
def test_an_invalid_value_is_reported_with_its_flag_and_what_is_expected(flag, value, expected):
    sentence = f"^{flag} or RESIDUUM_[A-Z_]+ is '{value}', expected {expected}$"
    with pytest.raises(SettingsError, match=sentence):
        read("--bundles", "x", flag, value)
