"""Text becomes numbers and comes back."""

import numpy as np
import pytest

from offchain.data.text import UNKNOWN, UnusableText, compute_text, get_windows, read_text


def test_compute_text__common_characters__come_back():
    text = compute_text("hello world " * 20)
    assert text.decode(text.tokens.tolist()) == "hello world " * 20
    assert text.encode("hold") == [text.alphabet.index(c) for c in "hold"]


def test_compute_text__rare_character__is_unknown():
    text = compute_text("a" * 50 + "\u00e9" * 9)
    assert text.alphabet == UNKNOWN + "a"
    assert text.decode(text.tokens.tolist()) == "a" * 50 + UNKNOWN * 9
    assert text.decode(text.encode("a\u00e9")) == "a" + UNKNOWN


def test_read_text__folder__reads_text_files_in_order(tmp_path):
    (tmp_path / "b.txt").write_text("b" * 10)
    (tmp_path / "a.py").write_text("a" * 10)
    (tmp_path / "c.bin").write_bytes(b"c" * 10)
    text = read_text(tmp_path)
    assert text.decode(text.tokens.tolist()) == "a" * 10 + "b" * 10
    assert len(read_text(tmp_path, characters=5).tokens) == 5


@pytest.mark.parametrize("name", ["missing", "."])
def test_read_text__nothing_there__names_the_place(tmp_path, name):
    with pytest.raises(UnusableText, match="data .*: no "):
        read_text(tmp_path / name)


def test_split__held_out__shares_no_character_with_training():
    text = compute_text("abcdefghij" * 30)
    dataset, held_out = text.split(0.1, window=8)
    assert len(dataset.fields[0]) + len(held_out) == 300
    assert dataset.records == len(dataset.fields[0]) - 8


def test_split__too_little_text__says_how_much_is_needed():
    with pytest.raises(UnusableText, match="text: 20 characters, windows of 9 need 100"):
        compute_text("ab" * 10).split(0.1, window=8)


def test_get_windows__spread__stay_inside():
    windows = get_windows(np.arange(50, dtype=np.int32), window=4, count=7)
    assert windows.shape == (7, 5)
    assert windows[0, 0] == 0 and windows[-1, -1] == 49
