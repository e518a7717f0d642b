"""The reference page of the protocol is complete and up to date."""

from protos.reference import PAGE, page
from protos.residuum.v1 import anomaly_pb2, codec_pb2, images_pb2, models_pb2

FILES = (anomaly_pb2, codec_pb2, images_pb2, models_pb2)


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "protos/REFERENCE.md is out of date: run `make reference`"
    )


def test_every_rpc_lists_its_errors():
    text = PAGE.read_text(encoding="utf-8")
    for module in FILES:
        for service in module.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                section = text.split(f"### {service.name}.{method.name}\n")[1].split("\n##")[0]
                assert "Errors:" in section, method.full_name


def test_everything_has_a_description():
    empty_cells = [line for line in PAGE.read_text().splitlines() if line.endswith("|  |")]
    assert empty_cells == []
    sections = PAGE.read_text(encoding="utf-8").split("\n### ")[1:]
    for section in sections:
        title, text = section.split("\n\n", 1)
        assert text.strip(), f"{title} has no description"
        assert not text.startswith("|"), f"{title} has no description"


def test_every_message_and_enum_has_a_section():
    text = PAGE.read_text(encoding="utf-8")
    for module in FILES:
        file = module.DESCRIPTOR
        for name in (*file.message_types_by_name, *file.enum_types_by_name):
            assert f"\n### {name}\n" in text
