"""Files of JSON lines that only grow."""

import json

import pytest

from benchmarks.common.journal import Chain, fingerprint

LINES = [{"a": 1}, {"a": [2.5, None]}, {"a": "ü"}]


@pytest.fixture
def made(tmp_path):
    chain = Chain(tmp_path / "lines.jsonl", "anchor")
    for line in LINES:
        chain.append(line)
    return chain


def texts(chain):
    return chain.path.read_text().splitlines()


def written(chain, lines, anchor="anchor"):
    chain.path.write_text("".join(line + "\n" for line in lines))
    return Chain(chain.path, anchor)


def test_what_is_read_is_what_was_written(made):
    again = Chain(made.path, "anchor")
    assert again.lines == made.lines and not again.corrupt and not again.torn
    assert [{"a": line["a"]} for line in again.lines] == LINES


def test_every_line_is_on_disk_at_once(made):
    assert len(texts(made)) == 3
    made.append({"a": float("nan")})
    assert json.loads(texts(made)[3])["a"] is None and not Chain(made.path, "anchor").corrupt


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda text: text[:-9], "Unterminated"),
        (lambda text: "no json", "Expecting value"),
        (lambda text: "[]", "indices must be"),
        (lambda text: "[" * 100_000, "recursion"),
        (lambda text: text.replace("2.5", "2.25"), "not that of its content"),
        (lambda text: text.replace("{", '{"a": 7, ', 1), "not that of its content"),
    ],
)
def test_what_is_not_whole_is_named_and_left_out(made, spoil, message):
    lines = texts(made)
    found = written(made, [lines[0], spoil(lines[1]), lines[2]])
    assert [line["a"] for line in found.lines] == [1, "ü"]
    assert found.corrupt[0].startswith("line 2, left out: ") and message in found.corrupt[0]
    assert found.damage() == found.corrupt


def test_lines_taken_out_put_in_or_moved_are_seen(made):
    one, two, three = texts(made)
    for lines in ([two, three], [one, three], [one, one, two, three], [three, two, one]):
        assert any("does not follow" in said for said in written(made, lines).corrupt)
    assert "line 1: does not follow" in written(made, [one, two, three], "another").corrupt[0]


def test_torn_lines_are_cut_off_or_ended(made):
    whole = made.path.read_bytes()
    made.path.write_bytes(whole[:-20])
    torn = Chain(made.path, "anchor")
    assert torn.torn == "line 3" and len(torn.lines) == 2 and not torn.damage()
    assert torn.mend() == "left out: line 3, which a crash has torn" and not torn.torn
    torn.append({"a": 9})
    assert [line["a"] for line in Chain(made.path, "anchor").lines] == [1, [2.5, None], 9]
    made.path.write_bytes(whole[:-1])
    ended = Chain(made.path, "anchor")
    assert ended.torn == "line 3" and len(ended.lines) == 3
    assert ended.mend() == "" and made.path.read_bytes() == whole
    made.path.write_bytes(whole[:10])
    only = Chain(made.path, "anchor")
    assert only.torn == "line 1" and only.mend() and made.path.read_bytes() == b""
    assert Chain(made.path, "anchor").mend() == ""


class Text(Chain):
    """Numbers that are text in the file."""

    def encode(self, line):
        return line | {"a": str(line["a"])}

    def decode(self, line):
        return line | {"a": int(line["a"])}

    def subject(self, line):
        return line["a"]


def test_encoding_goes_both_ways(tmp_path):
    chain = Text(tmp_path / "f", 1)
    chain.append({"a": 5})
    assert chain.lines[0]["a"] == 5 and '"a": "5"' in chain.path.read_text()
    assert Text(tmp_path / "f", 1).lines == chain.lines


def test_lines_are_found_by_what_they_are_about(tmp_path):
    chain = Text(tmp_path / "f", 1)
    for number in (5, 6, 5):
        chain.append({"a": number, "b": len(chain.lines)})
    for found in (chain, Text(tmp_path / "f", 1)):
        assert [line["b"] for line in found.of(5)] == [0, 2] and not found.of(7)


def test_fingerprint_knows_no_order_and_no_nan():
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1}) != fingerprint({"a": 1})
    with pytest.raises(ValueError):
        fingerprint(float("nan"))
