"""Plain English and the field's names: words that were weeded out do not come back."""

import io
import re
import tokenize
from pathlib import Path

from source_tree import ROOT, is_generated, python_files, tracked

# What to write instead of each.
TICS = {
    r"told|tells": "given, says, shows",
    r"unfolds?": "expand, decompress",
    r"so many": "the number, that many",
    r"a person": "a user, you",
    r"one's own|of its own": "own, separate",
    r"(?<!there )(?:is|are) no(?! longer)": "is not a, are not",
    r"besides?": "next to, apart from",
    r"aside": "separately",
    r"with which": "a shorter sentence",
    r"wish(?:es)?": "options, flags",
    r"does it\.": "what it does",
    r"what it is made of": "its parts",
    r"stands for": "means",
    r"hence|thus": "so",
    r"shall": "must, should, will",
    r"whoever": "anyone who, callers that",
}
# Names of this project alone, and the field's names for them.
PRIVATE_NAMES = {
    "Wishes": "EncodeFlags",
    "alike": "group_by",
    "grouped": "group_by",
    "Spans": "SymbolIntervals",
    "Windows": "TruncatedTables",
    "MERGED": "LEFT_OUT",
    "lattice": "scan_order",
    "LatticePass": "CodingPass",
    "aside": "log_var_or_distance",
    "octaves": "log2_step_scale",
    "hot_boxes": "find_regions",
    "Known": "DecodedContext",
    "Made": "the noun itself",
    "told": "append_rate_channel",
    "foot": "input_layer",
    "alarm": "false_alarm_rate",
    "Track": "ProgressCallback",
    "Say": "Reporter",
    "Warn": "Reporter",
    "World": "ProcessGroup",
    "ALONE": "SINGLE_PROCESS",
    "from_first": "broadcast",
    "Lag": "LaggingState",
    "settled": "encoder_converged",
    "stale": "epochs_since_best",
    "Watch": "BatchObserver",
    "Served": "LoadedModel",
    "Calls": "RpcHandler",
}
# Names that flags and files of users have: --octaves, and the parameters of checkpoints.
FORCED = {"octaves": "training", "foot": "training"}
# The licence is a lawyer's; this file has the words; cards belong to bundles, whose bytes stay.
EXCEPT = {"LICENSE", "card.md", Path(__file__).name}
TEXT = {"", ".cfg", ".Dockerfile", ".jinja", ".md", ".proto", ".py", ".toml", ".txt", ".yaml"}
FILES = [p for p in tracked() if p.suffix in TEXT and p.name not in EXCEPT and not is_generated(p)]
TIC = re.compile("|".join(rf"\b(?:{tic})(?!\w)" for tic in TICS), re.IGNORECASE)


def test_the_prose_is_plain() -> None:
    found = []
    for path in FILES:
        # A phrase may be broken over two lines, also of a comment.
        flat = re.sub(r"\s*\n\s*(?:#|//)?\s*", " ", (ROOT / path).read_text())
        found += [
            f"{path}: ...{flat[max(match.start() - 40, 0) : match.end() + 20]}..."
            for match in TIC.finditer(flat)
        ]
    assert not found, "\n" + "\n".join(found)


def test_identifiers_are_the_fields_names() -> None:
    found = [
        f"{path}:{token.start[0]}: {token.string}, better {PRIVATE_NAMES[token.string]}"
        for path in python_files()
        if path.name not in EXCEPT
        for token in tokenize.generate_tokens(io.StringIO((ROOT / path).read_text()).readline)
        if token.type == tokenize.NAME and token.string in PRIVATE_NAMES
        if FORCED.get(token.string) not in path.parts
    ]
    assert not found, "\n" + "\n".join(found)


def test_a_tic_is_seen_also_over_two_lines() -> None:
    assert TIC.search("a file of its own")
    assert TIC.search("As many as are no more")
    assert not TIC.search("there is no file, and it is no longer there")
