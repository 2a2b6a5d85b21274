"""Text: what ships with Python, a person's own, its vocabulary and windows."""

import sys

import numpy as np
import pytest

from dgm_tfp import data
from dgm_tfp.data import text
from dgm_tfp.errors import InputError


def test_the_python_docs():
    docs = data.load_text()
    assert len(docs.train) > 250_000
    assert len(docs.test) == (len(docs.train) + len(docs.test)) // 10
    assert "generator function" in docs.train + docs.test
    assert docs.vocabulary == "".join(sorted(set(docs.train + docs.test)))
    assert docs == data.load_text("python_docs")


def test_the_test_split_does_not_stand_in_the_training_split():
    docs = data.load_text()
    paragraphs = [part for part in docs.test.split("\n\n")[1:] if len(part) > 100]
    assert len(paragraphs) > 50
    assert not any(part in docs.train for part in paragraphs)


def test_windows_are_the_text_in_order():
    own = data.Text("abcabcabca", "cab", "abc")
    windows = own.windows("train", 4)
    assert (windows.shape, windows.dtype) == ((2, 4), np.int32)
    assert ["".join(text.decode(window, "abc")) for window in windows] == ["abca", "bcab"]
    np.testing.assert_array_equal(own.windows("test", 3, vocabulary="zcba"), [[1, 3, 2]])


def test_load_gives_windows(tmp_path):
    found = data.resolve("python_docs")
    assert found.kind == "text"
    assert "each paragraph once" in found.note
    windows, labels = data.load("python_docs", "test", verbose=False)
    docs = data.load_text()
    np.testing.assert_array_equal(windows, docs.windows("test"))
    assert labels.shape == (len(windows),)
    assert windows.max() < len(docs.vocabulary)

    path = tmp_path / "own.txt"
    path.write_text("\ufeff" + "Привет, мир! " * 200, encoding="utf-8")
    own = data.load_text(str(path))
    assert own.train + own.test == "Привет, мир! " * 200
    assert own.vocabulary == "".join(sorted(set("Привет, мир! ")))
    assert data.load(str(path), "train", verbose=False).images.shape == (len(own.train) // text.LENGTH, text.LENGTH)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: data.load_text(str(path / "no.txt")), "there is no file .*no.txt"),
        (lambda path: data.load_text(str(path / "latin.txt")), "latin.txt is not text in UTF-8: byte 3 is wrong"),
        (lambda path: data.load_text(str(path / "short.txt")), "has 3 characters, 2 different ones. Give a text of 10"),
        (lambda path: data.load(str(path / "ok.txt"), "test"), "a text of 3 characters has no window of 128"),
        (lambda path: data.load_text(str(path / "ok.txt")).windows("valid"), "split is 'valid'; expected 'train' or"),
        (
            lambda path: data.load("python_docs", "train", "tfds"),
            "python_docs comes from 'text' only, got source='tfds'",
        ),
        (lambda path: text.encode("abcé€", "abc"), "the text has 'é€', which the vocabulary of 3 characters has not"),
    ],
)
def test_errors(make, words, tmp_path):
    (tmp_path / "latin.txt").write_bytes("abcé".encode("latin-1"))
    (tmp_path / "short.txt").write_text("aab")
    (tmp_path / "ok.txt").write_text("ab" * 15)
    with pytest.raises(InputError, match=words):
        make(tmp_path)


def test_a_python_without_its_documentation(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(InputError, match=r"this Python comes without its documentation \(pydoc_data\). Give a .txt"):
        data.load_text()
