"""The file of tokens, and who presents one."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.security import Caller, Role, Tokens, TokensError, Unauthenticated
from service.security.tokens import MAX_CHARACTERS

SECRET = "s3cret-s3cret-s3cret"  # noqa: S105
CAMERA = Caller("camera", Role.DATA)


@pytest.fixture
def tokens(token_file):
    return Tokens(token_file)


def read(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Tokens(path)


def test_the_owner_of_a_token_is_found_again_and_again(tokens, rig):
    for _ in range(3):
        assert tokens.caller([rig.bearer("camera-token-0123")]) == CAMERA
        assert tokens.caller([rig.bearer("operator-token-0123")]) == Caller("operator", Role.ADMIN)


def test_the_name_of_the_scheme_has_any_case_and_other_metadata_does_not_matter(tokens):
    metadata = [("x", "1"), ("authorization", "BEARER  camera-token-0123 "), ("y-bin", b"\0")]
    assert tokens.caller(metadata) == CAMERA


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, 'the call has no token; expected metadata "authorization: Bearer TOKEN"'),
        ("Bearer another-token-0123", "the token is not valid"),
        ("Bearer camera-token-012", "the token is not valid"),
        ("Bearer camera-token-01234", "the token is not valid"),
        ("Bearer Camera-token-0123", "the token is not valid"),
        ("Bearer \udcff\u00e9", "the token is not valid"),
        ("Bearer ", "the token is not valid"),
        ("Basic camera-token-0123", "another scheme"),
        ("camera-token-0123", "another scheme"),
        ("Bearer", "another scheme"),
        ("", "another scheme"),
        (b"Bearer camera-token-0123", "another scheme"),
    ],
)
def test_any_other_metadata_is_refused_without_repeating_it(tokens, value, message):
    metadata = [] if value is None else [("authorization", value)]
    for _ in range(2):
        with pytest.raises(Unauthenticated, match=message) as error:
            tokens.caller(metadata)
        assert "camera" not in str(error.value)


def test_two_tokens_at_once_are_refused(tokens, rig):
    with pytest.raises(Unauthenticated, match="has 2 authorization entries"):
        tokens.caller([rig.bearer("camera-token-0123")] * 2)


def test_comments_and_empty_lines_are_skipped(tmp_path, rig):
    text = f"\ufeff# our tokens\r\n\r\n  camera\tdata {SECRET}#x # since May\r\n   # end"
    assert read(tmp_path / "t", text).caller([rig.bearer(f"{SECRET}#x")]) == CAMERA


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "{path} has no token, expected lines NAME ROLE TOKEN"),
        ("# nothing\n", "{path} has no token, expected lines NAME ROLE TOKEN"),
        (f"a data {SECRET}\n{SECRET}", "{path}, line 2: it has 1 fields, expected NAME ROLE TOKEN"),
        (f"a data {SECRET} b", "{path}, line 1: it has 4 fields, expected NAME ROLE TOKEN"),
        (
            f"a {SECRET} data",
            "{path}, line 1: the second field is not a role, expected data or admin",
        ),
        (
            f"a Data {SECRET}",
            "{path}, line 1: the second field is not a role, expected data or admin",
        ),
        ("a data s3cret-s3cret-", "{path}, line 1: the token has 14 characters, expected 16 to"),
        (f"a data {SECRET * 300}", "{path}, line 1: the token has 6000 characters, expected 16 to"),
        (
            f"\n\na data {SECRET}é",
            "{path}, line 3: the token has a character that is not printable ASCII",
        ),
        (
            f"a data {SECRET}\nb data {SECRET}",
            "{path}, line 2: line 1 has the same token, expected a token once",
        ),
        (
            f"a data {SECRET}\na admin {SECRET}2",
            "{path}, line 2: line 1 has the same name, expected a name once",
        ),
        (f"{'a' * 65} data {SECRET}", "{path}, line 1: the name has 65 characters, expected at"),
        (f"a data {SECRET}".encode("utf-16"), "{path} is not UTF-8 text"),
        (b"#" * (1 << 20) + b"##", "the tokens cannot be read from {path}: it has more than"),
    ],
)
def test_an_error_names_file_and_line_but_not_the_token(tmp_path, text, message):
    path = tmp_path / "tokens"
    with pytest.raises(TokensError) as error:
        read(path, text)
    assert str(error.value).startswith(message.format(path=path))
    assert "s3cret" not in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(TokensError) as error:
        Tokens(tmp_path / "gone")
    expected = f"the tokens cannot be read from {tmp_path}/gone: No such file or directory"
    assert str(error.value) == expected


def test_new_tokens_count_at_once_and_removed_ones_no_longer(tokens, token_file, rig):
    assert tokens.caller([rig.bearer("camera-token-0123")]) == CAMERA
    rig.write(token_file, b"camera data camera-token-4567\n")
    assert tokens.caller([rig.bearer("camera-token-4567")]) == CAMERA
    with pytest.raises(Unauthenticated):
        tokens.caller([rig.bearer("camera-token-0123")])


def test_a_new_role_counts_at_once(tokens, token_file, rig):
    tokens.caller([rig.bearer("camera-token-0123")])
    rig.write(token_file, b"camera admin camera-token-0123\n")
    assert tokens.caller([rig.bearer("camera-token-0123")]).role is Role.ADMIN


def vanish(path, rig):
    path.unlink()


def spoil(path, rig):
    rig.write(path, b"camera data camera-token-4567\noperator root s3cret-s3cret-s3cret\n")


def empty(path, rig):
    rig.write(path, b"")


def warnings(caplog):
    return [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("damage", [vanish, spoil, empty])
def test_while_the_file_is_broken_the_old_tokens_count_and_one_warning_is_logged(
    tokens, token_file, rig, caplog, damage
):
    damage(token_file, rig)
    for _ in range(3):
        assert tokens.caller([rig.bearer("camera-token-0123")]) == CAMERA
        with pytest.raises(Unauthenticated):
            tokens.caller([rig.bearer("camera-token-4567")])
    (record,) = warnings(caplog)
    assert record.levelno == logging.WARNING
    assert str(token_file) in record.getMessage()
    assert "s3cret" not in record.getMessage()
    rig.write(token_file, b"camera data camera-token-4567\n")
    assert tokens.caller([rig.bearer("camera-token-4567")]) == CAMERA
    assert len(warnings(caplog)) == 1


PRINTABLE = st.characters(min_codepoint=33, max_codepoint=126)


@given(
    st.lists(
        st.text(PRINTABLE, min_size=16, max_size=40).filter(lambda t: t[0] != "#"),
        min_size=1,
        max_size=8,
        unique=True,
    )
)
def test_every_token_of_a_file_finds_its_owner_and_every_other_none(tmp_path_factory, secrets):
    path = tmp_path_factory.mktemp("tokens") / "tokens"
    tokens = read(
        path,
        "".join(f"name{i} data {secret}\n" for i, secret in enumerate(secrets[1:]))
        + "last admin "
        + "x" * MAX_CHARACTERS,
    )
    for index, secret in enumerate(secrets[1:]):
        assert tokens.caller([("authorization", f"Bearer {secret}")]).name == f"name{index}"
    with pytest.raises(Unauthenticated):
        tokens.caller([("authorization", f"Bearer {secrets[0]}")])
