"""The table that finds requests of the same content: it is right, and it is small."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from lanewise.domain.packing import PackingKey
from lanewise.lanes.originals import Originals
from lanewise.store.nouns import UNDECIDED

KEY = PackingKey("openai", "openai-test", "/v1/chat/completions", "m")
askings = st.tuples(
    st.binary(max_size=2),
    st.sampled_from([KEY, replace(KEY, endpoint="/v1/responses")]),
    st.sampled_from([UNDECIDED, replace(UNDECIDED, deadline_class=3)]),
    st.sampled_from([None, 1.0, 1_790_000_000.0, 1_790_000_001.0]),
)


@given(st.lists(askings, max_size=60))
def test_it_finds_the_first_of_the_same_content_key_way_and_deadline(found: list[tuple]) -> None:
    originals, known = Originals(), {}
    for place, (body, key, route, deadline) in enumerate(found):
        mark = originals.mark(hashlib.sha256(body).digest(), key, route, deadline)
        asking = (body, key, route, deadline)
        assert originals.find(mark) == known.get(asking)
        if asking not in known:
            known[asking] = place << 32 | place
            originals.add(mark, known[asking])


def test_a_request_takes_less_than_32_bytes() -> None:
    originals = Originals()
    for number in range(200_000):
        content = hashlib.sha256(b"%d" % number).digest()
        originals.add(originals.mark(content, KEY, UNDECIDED, None), number)
    empty = sys.getsizeof(bytearray())
    held = sum(sys.getsizeof(bucket) - empty for bucket in originals._buckets.values())
    assert held < 32 * 200_000
