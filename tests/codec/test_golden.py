"""Payloads and records keep the bytes of the golden files."""

import json
from pathlib import Path

import numpy as np
import pytest

from codec.bundle.npz import PRIORS, unpack_arrays
from codec.entropy.range_coder import RangeCoder
from codec.record.frame import Record, pack, unpack
from codec.reference.range_coder import ReferenceCoder

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
RECORDS = json.loads((GOLDEN / "records.json").read_text())


@pytest.mark.parametrize("name", PRIORS)
def test_payloads_of_every_prior_are_those_of_the_golden_file(name):
    arrays = unpack_arrays((GOLDEN / f"{name}.npz").read_bytes(), name)
    tables = {k.removeprefix("tables."): v for k, v in arrays.items() if k.startswith("tables.")}
    every = arrays["codes"]
    priors = PRIORS[name].unpack(tables, every.shape[2], len(every))
    assert len(priors) == len(every) > 0
    for level, (prior, codes) in enumerate(zip(priors, every, strict=True)):
        payload = arrays[f"payload_{level}"].tobytes()
        assert len(payload) > 2
        for coder in (RangeCoder(prior), ReferenceCoder(prior)):
            assert coder.encode(codes) == payload
            np.testing.assert_array_equal(coder.decode(payload, codes.shape), codes)


@pytest.mark.parametrize("golden", RECORDS, ids=lambda golden: f"{len(golden['record']) // 2}")
def test_records_are_those_of_the_golden_file(golden):
    size = tuple(golden["size"]) if golden["size"] else None
    payload, evidence = bytes.fromhex(golden["payload"]), bytes.fromhex(golden["evidence"])
    record = Record(golden["level"], size, payload, evidence)
    data, model_id = bytes.fromhex(golden["record"]), bytes.fromhex(golden["model_id"])
    assert pack(record, model_id) == data
    assert unpack(data, model_id, sized=size is not None) == record
