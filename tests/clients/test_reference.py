"""The reference page of the client has every public name, and is up to date."""

import inspect

import reference

import residuum_client


def test_the_page_is_up_to_date():
    assert reference.PAGE.read_text(encoding="utf-8") == reference.page(), (
        "clients/python/REFERENCE.md is out of date: run `make reference`"
    )


def test_every_public_name_has_an_entry():
    headings = {line for line in reference.page().splitlines() if line.startswith("### ")}
    assert headings == {f"### `{name}`" for name in residuum_client.__all__}


def test_every_public_method_has_an_entry_and_a_docstring():
    page = reference.page()
    for name in residuum_client.__all__:
        value = getattr(residuum_client, name)
        members = vars(value) if inspect.isclass(value) and name != "EncodeOptions" else {}
        for member, function in members.items():
            if callable(function) and not member.startswith("_"):
                assert f"#### `{name}.{member}`" in page
                assert inspect.getdoc(function)
