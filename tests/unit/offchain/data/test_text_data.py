"""Text by characters, bytes and a tokenizer's tokens."""

import json
from hashlib import sha256

import numpy as np
import pytest

from offchain.data import PackageMissing, UnusableData, read_data, text


def test_read_data__text__is_windows_of_characters(tmp_path):
    (tmp_path / "a.txt").write_text("hello world " * 20)
    data = read_data(tmp_path / "a.txt", window=8)
    assert data.notes["alphabet"] == " ?dehlorw"
    assert data.known == {"vocabulary": 9, "context": 8}
    assert data.dataset.records == 240 - 8
    assert (data.fields["tokens"].record_shape, data.fields["tokens"].stride) == ((9,), 1)


def test_read_data__small_pieces__same_tokens(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("h\u00e9llo\nw\u20acrld\n" * 20, encoding="utf-8")
    whole = read_data(tmp_path / "a.txt").dataset.fields[0].tolist()
    monkeypatch.setattr(text, "PIECE_CHARACTERS", 7)
    assert read_data(tmp_path / "a.txt").dataset.fields[0].tolist() == whole
    assert len(whole) == 240


def test_read_data__bytes__any_file(tmp_path):
    (tmp_path / "a.bin").write_bytes(bytes(range(256)))
    data = read_data(tmp_path / "a.bin", tokenizer="bytes", window=4)
    assert data.dataset.fields[0].tolist() == list(range(256))
    assert data.known["vocabulary"] == 256


def test_read_data__characters_of_a_binary__points_to_bytes(tmp_path):
    (tmp_path / "a.bin").write_bytes(bytes(range(256)))
    with pytest.raises(UnusableData, match="not a text; tokenizer `bytes` takes any file"):
        read_data(tmp_path / "a.bin")


def test_read_data__limit__bounds_the_tokens(tmp_path):
    (tmp_path / "a.txt").write_text("abc " * 100)
    for tokenizer in ("characters", "bytes"):
        data = read_data(tmp_path / "a.txt", tokenizer=tokenizer, limit=50, window=4)
        assert len(data.dataset.fields[0]) == 50


def test_read_data__shorter_than_a_window__says_so(tmp_path):
    (tmp_path / "a.txt").write_text("abc")
    with pytest.raises(UnusableData, match="3 tokens, a window of 65 does not fit"):
        read_data(tmp_path / "a.txt")


@pytest.fixture
def tokenizer(tmp_path):
    """A tokenizer of words, as the package writes them."""
    package = pytest.importorskip("tokenizers")
    model = package.models.WordLevel({"[UNK]": 0, "the": 1, "fox": 2}, unk_token="[UNK]")
    made = package.Tokenizer(model)
    made.pre_tokenizer = package.pre_tokenizers.Whitespace()
    path = tmp_path / "words.json"
    made.save(str(path))
    return path


def test_read_data__tokenizer__its_tokens_and_its_file(tmp_path, tokenizer):
    (tmp_path / "a.txt").write_text("the fox\nthe dog\n" * 10)
    data = read_data(tmp_path / "a.txt", tokenizer=str(tokenizer), window=4)
    assert data.dataset.fields[0].tolist() == [1, 2, 1, 0] * 10
    assert data.known["vocabulary"] == 3
    assert data.files == {".tokenizer.json": tokenizer.read_bytes()}
    assert data.notes["tokenizer"] == sha256(tokenizer.read_bytes()).hexdigest()


def test_read_data__tokenizer_in_pieces__cuts_no_word(tmp_path, tokenizer, monkeypatch):
    monkeypatch.setattr(text, "PIECE_CHARACTERS", 9)
    (tmp_path / "a.txt").write_text("the fox\nthe dog\n" * 10)
    data = read_data(tmp_path / "a.txt", tokenizer=str(tokenizer), window=4)
    assert data.dataset.fields[0].tolist() == [1, 2, 1, 0] * 10


def test_read_data__broken_tokenizer__is_named(tmp_path):
    pytest.importorskip("tokenizers")
    (tmp_path / "a.txt").write_text("the fox " * 40)
    (tmp_path / "t.json").write_text(json.dumps({"version": "1.0"}))
    with pytest.raises(UnusableData, match="tokenizer .*t.json: "):
        read_data(tmp_path / "a.txt", tokenizer=str(tmp_path / "t.json"))


def test_read_data__no_tokenizer_there__says_what_is_expected(tmp_path):
    (tmp_path / "a.txt").write_text("the fox " * 40)
    with pytest.raises(UnusableData, match="no such file; expected bytes, characters or"):
        read_data(tmp_path / "a.txt", tokenizer="words")


def test_read_data__package_is_missing__names_it(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tokenizers", None)
    (tmp_path / "a.txt").write_text("the fox " * 40)
    (tmp_path / "t.json").write_text("{}")
    with pytest.raises(PackageMissing, match="'tokenizers', which is not installed: pip install"):
        read_data(tmp_path / "a.txt", tokenizer=str(tmp_path / "t.json"))


def test_read_text__alphabet__numbers_are_its_places():
    made = text.compute_text("ab" * 20)
    assert made.tokens.dtype == np.int32 and made.decode(made.tokens.tolist()) == "ab" * 20
