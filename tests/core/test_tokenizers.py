"""The tokenizer: English and Chinese, cuts at words, seeded dropout, strict loading."""

from pathlib import Path

import pytest

from dalle_core.errors import CheckpointError
from dalle_core.tokenizers import TextTokenizer, train_tokenizer

CORPUS = ["a red apple, noto style on a light blue background", "红苹果，noto 风格，浅蓝色背景", "grinning cat"] * 5


@pytest.fixture(scope="module")
def tokenizer() -> TextTokenizer:
    return train_tokenizer(CORPUS, 400, text_length=12)


@pytest.mark.parametrize("text", ["red apple", "红苹果", "naïve café 🍎", "zebra 42", "Ａｐｐｌｅ"])
def test_every_text_survives_a_round_trip(tokenizer: TextTokenizer, text: str) -> None:
    import unicodedata

    encoded = TextTokenizer(tokenizer.library, 64).encode(text)
    assert encoded.cut == ""
    found = tokenizer.decode(encoded.ids)
    assert found.replace(" ", "") == unicodedata.normalize("NFKC", text).lower().replace(" ", "")


def test_length_end_and_padding(tokenizer: TextTokenizer) -> None:
    ids = tokenizer.encode("red apple").ids
    assert len(ids) == 12
    end = ids.index(tokenizer.end_id)
    assert set(ids[end + 1 :]) == {tokenizer.pad_id}
    assert tokenizer.encode("").ids == (tokenizer.end_id, *[tokenizer.pad_id] * 11)


def test_case_and_spaces_do_not_matter(tokenizer: TextTokenizer) -> None:
    assert tokenizer.encode("  Red   APPLE ").ids == tokenizer.encode("red apple").ids


def test_a_chinese_phrase_holds_the_same_words_alone_or_not(tokenizer: TextTokenizer) -> None:
    apple = tokenizer.encode("苹果").ids[:2]
    assert tokenizer.encode("红苹果").ids[1:3] == apple


def test_a_long_prompt_is_cut_at_a_word_and_says_so(tokenizer: TextTokenizer) -> None:
    text = "a red apple on a light blue background with grinning cats everywhere"
    encoded = tokenizer.encode(text)
    kept = tokenizer.decode(encoded.ids)
    assert encoded.ids[-1] in (tokenizer.end_id, tokenizer.pad_id)
    assert f"{kept} {encoded.cut}".split() == text.split()
    assert encoded.cut.endswith("grinning cats everywhere")


def test_one_word_too_long_for_the_model_is_cut_whole(tokenizer: TextTokenizer) -> None:
    encoded = tokenizer.encode("x" * 60)
    assert encoded.cut == "x" * 60
    assert encoded.ids[0] == tokenizer.end_id


def test_own_merging_without_dropout_is_the_librarys(tokenizer: TextTokenizer) -> None:
    wide = TextTokenizer(tokenizer.library, 64)
    for text in [*CORPUS[:3], "a purple banana, 紫色的香蕉"]:
        assert wide.encode_with_dropout(text, 0.0, seed=1) == wide.encode(text).ids


def test_dropout_is_seeded_and_loses_nothing(tokenizer: TextTokenizer) -> None:
    wide = TextTokenizer(tokenizer.library, 64)
    text = "red apple 红苹果"
    drawn = {wide.encode_with_dropout(text, 0.5, seed) for seed in range(8)}
    assert len(drawn) > 1
    assert {wide.decode(ids) for ids in drawn} == {wide.decode(wide.encode(text).ids)}
    assert wide.encode_with_dropout(text, 0.5, 3) == wide.encode_with_dropout(text, 0.5, 3)


def test_a_tokenizer_of_another_model_is_refused(tokenizer: TextTokenizer, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    tokenizer.save(path)
    assert TextTokenizer.load(path, 12, tokenizer.vocab_size).vocab_size == tokenizer.vocab_size
    with pytest.raises(CheckpointError, match=f"expected a vocabulary of 4096.*found {tokenizer.vocab_size}"):
        TextTokenizer.load(path, 12, 4096)
    path.write_text("{}")
    with pytest.raises(CheckpointError, match="not a readable tokenizer"):
        TextTokenizer.load(path, 12, 4096)
