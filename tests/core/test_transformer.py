"""The transformer: cached decoding equals one pass, digits obey the chain rule, nothing looks ahead."""

from dataclasses import replace

import pytest
import torch

from dalle_core.config import TransformerConfig
from dalle_core.layers import attention_mask
from dalle_core.quantizers import split_digits
from dalle_core.transformer import Outline, Transformer

TINY = TransformerConfig(
    vocab_size=50, text_length=6, rows=3, cols=4, levels=(4, 3, 5), layers=2, width=32, heads=2, hidden=48
)


PATTERNS = [("dense",), ("row", "column"), ("conv", "dense")]


@pytest.fixture(scope="module", params=PATTERNS, ids="-".join)
def network(request: pytest.FixtureRequest) -> Transformer:
    torch.manual_seed(0)
    return Transformer(replace(TINY, attention=request.param, attention_kernel=3)).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def told() -> Transformer:
    """One that takes a sentence's feature, of 7 numbers."""
    torch.manual_seed(0)
    return Transformer(replace(TINY, sentence=7)).eval().requires_grad_(False)


def random_sentences(batch: int = 3) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(batch, 7, generator=torch.Generator().manual_seed(2)), dim=-1)


@pytest.fixture(scope="module")
def grounded() -> Transformer:
    """One that takes features of what stands in each token's place, too."""
    torch.manual_seed(0)
    return Transformer(replace(TINY, sentence=7, phrases=True)).eval().requires_grad_(False)


def random_phrases(batch: int = 3) -> torch.Tensor:
    return torch.randn(batch, TINY.image_length, 7, generator=torch.Generator().manual_seed(3))


def random_batch(batch: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    text = torch.randint(0, TINY.vocab_size, (batch, TINY.text_length), generator=generator)
    return text, torch.randint(0, 60, (batch, TINY.image_length), generator=generator)


def decoded_nll(network: Transformer, text: torch.Tensor, tokens: torch.Tensor, prefix: int,
                sentence: torch.Tensor | None = None, phrases: torch.Tensor | None = None) -> torch.Tensor:  # fmt: skip
    """Negative log-likelihood of tokens[prefix:], taken one digit at a time through the cache."""
    digits = split_digits(tokens, TINY.levels)
    state, logits = network.prefill(text, tokens[:, :prefix], sentence, phrases=phrases)
    columns = []
    for position in range(prefix, TINY.image_length):
        total = torch.zeros(len(text))
        for place in range(len(TINY.levels)):
            chosen = digits[:, position, place]
            total -= logits.log_softmax(-1).gather(1, chosen[:, None])[:, 0]
            if (position, place) != (TINY.image_length - 1, len(TINY.levels) - 1):
                logits = network.next_logits(state, chosen)
        columns.append(total)
    return torch.stack(columns, dim=1)


@pytest.mark.parametrize("prefix", [0, 4, 8])
def test_cached_decoding_equals_one_pass(network: Transformer, prefix: int) -> None:
    text, tokens = random_batch()
    _, image_nll = network(text, tokens)
    torch.testing.assert_close(decoded_nll(network, text, tokens, prefix), image_nll[:, prefix:], atol=1e-5, rtol=0)


def test_forced_logits_are_those_of_decoding(grounded: Transformer) -> None:
    (text, tokens), sentence, phrases = random_batch(), random_sentences(), random_phrases()
    forced = grounded.forced_logits(text, tokens, sentence, phrases)
    assert [logits.shape for logits in forced] == [(3, TINY.image_length, level) for level in TINY.levels]
    digits = split_digits(tokens, TINY.levels)
    state, logits = grounded.prefill(text, tokens[:, :0], sentence, phrases=phrases)
    for position in range(TINY.image_length):
        for place, at_once in enumerate(forced):
            torch.testing.assert_close(logits, at_once[:, position], atol=1e-5, rtol=0)
            if (position, place) != (TINY.image_length - 1, len(TINY.levels) - 1):
                logits = grounded.next_logits(state, digits[:, position, place])


@pytest.mark.parametrize("prefix", [0, 4])
def test_decoding_sees_of_other_tokens_what_it_is_shown(network: Transformer, prefix: int) -> None:
    (text, tokens), digits = random_batch(), split_digits(random_batch()[1], TINY.levels)
    shown = torch.rand(3, TINY.image_length, generator=torch.Generator().manual_seed(4)) < 0.5
    forced = network.forced_logits(text, tokens, shown=shown)
    torch.testing.assert_close(
        sum(-f.log_softmax(-1).gather(-1, digits[..., i : i + 1])[..., 0] for i, f in enumerate(forced)),
        network(text, tokens, shown=shown)[1],
    )
    seen = torch.where(shown, tokens, (tokens + 1) % 60)  # those that are hidden might be any
    state, logits = network.prefill(text, seen[:, :prefix], shown=shown)
    for position in range(prefix, TINY.image_length):
        torch.testing.assert_close(logits, forced[0][:, position], atol=1e-5, rtol=0)
        for digit in split_digits(seen, TINY.levels)[:, position].T if position + 1 < TINY.image_length else ():
            logits = network.next_logits(state, digit)


@pytest.mark.parametrize("prefix", [0, 4])
def test_cached_decoding_equals_one_pass_when_told_a_sentence(told: Transformer, prefix: int) -> None:
    (text, tokens), sentence = random_batch(), random_sentences()
    _, image_nll = told(text, tokens, sentence)
    decoded = decoded_nll(told, text, tokens, prefix, sentence)
    torch.testing.assert_close(decoded, image_nll[:, prefix:], atol=1e-5, rtol=0)


@pytest.mark.parametrize("prefix", [0, 4])
def test_cached_decoding_equals_one_pass_when_told_phrases(grounded: Transformer, prefix: int) -> None:
    (text, tokens), sentence, phrases = random_batch(), random_sentences(), random_phrases()
    _, image_nll = grounded(text, tokens, sentence, phrases=phrases)
    decoded = decoded_nll(grounded, text, tokens, prefix, sentence, phrases)
    torch.testing.assert_close(decoded, image_nll[:, prefix:], atol=1e-5, rtol=0)
    states = grounded.outlines(text, sentence, phrases)
    unseen = grounded(text, tokens, sentence, torch.zeros_like(tokens, dtype=torch.bool), phrases)[1]
    torch.testing.assert_close(grounded.head.losses(states, split_digits(tokens, TINY.levels)), unseen)


def test_a_phrase_is_told_where_its_token_is_predicted_and_not_before(grounded: Transformer) -> None:
    (text, tokens), sentence, phrases = random_batch(), random_sentences(), random_phrases()
    other = phrases.clone()
    other[:, 5] *= -1
    before, after = (grounded(text, tokens, sentence, phrases=each) for each in (phrases, other))
    assert torch.equal(before[0], after[0])
    assert torch.equal(before[1][:, :5], after[1][:, :5])
    assert bool((before[1][:, 5:] != after[1][:, 5:]).all())


def test_phrases_of_the_wrong_shape_or_none_are_refused(grounded: Transformer, told: Transformer) -> None:
    (text, tokens), sentence = random_batch(), random_sentences()
    with pytest.raises(ValueError, match=r"phrase features of shape \(3, 12, 7\), got None"):
        grounded(text, tokens, sentence)
    with pytest.raises(ValueError, match=r"phrase features of shape None, got \(3, 12, 7\)"):
        told(text, tokens, sentence, phrases=random_phrases())


def test_several_pictures_of_one_text_are_as_if_each_had_read_it(told: Transformer) -> None:
    (text, tokens), sentence = random_batch(2), random_sentences(2)
    prefix, digits = tokens[:, :4], split_digits(random_batch(6)[1][:, 4], TINY.levels)
    shared = told.prefill(text, prefix, sentence, count=3)
    row = torch.arange(2).repeat_interleave(3)
    each = told.prefill(text[row], prefix[row], sentence[row])
    torch.testing.assert_close(shared[1], each[1], atol=1e-5, rtol=0)
    for chosen in digits.unbind(-1):
        logits = (told.next_logits(state, chosen) for state, _ in (shared, each))
        torch.testing.assert_close(*logits, atol=1e-5, rtol=0)


def test_a_sentence_changes_every_image_token_and_no_text(told: Transformer) -> None:
    (text, tokens), sentence = random_batch(), random_sentences()
    before, after = told(text, tokens, sentence), told(text, tokens, -sentence)
    assert torch.equal(before[0], after[0])
    assert bool((before[1] != after[1]).all())


def test_a_sentence_of_the_wrong_width_or_none_is_refused(told: Transformer, network: Transformer) -> None:
    text, tokens = random_batch()
    with pytest.raises(ValueError, match=r"sentence features of shape \(3, 7\), got \(3, 5\)"):
        told(text, tokens, random_sentences()[:, :5])
    with pytest.raises(ValueError, match=r"shape \(3, 7\), got None"):
        told.prefill(text, tokens[:, :0])
    with pytest.raises(ValueError, match=r"shape None, got \(3, 7\)"):
        network(text, tokens, random_sentences())


def test_batched_equals_single(network: Transformer) -> None:
    text, tokens = random_batch()
    _, together = network(text, tokens)
    for i in range(len(text)):
        _, alone = network(text[i : i + 1], tokens[i : i + 1])
        torch.testing.assert_close(alone[0], together[i], atol=1e-5, rtol=0)


def test_no_position_sees_what_comes_after_it(network: Transformer) -> None:
    text, tokens = random_batch(1)
    _, before = network(text, tokens)
    changed = tokens.clone()
    changed[0, 7] = (changed[0, 7] + 31) % 60
    _, after = network(text, changed)
    torch.testing.assert_close(after[0, :7], before[0, :7], atol=1e-6, rtol=0)
    assert not torch.allclose(after[0, 8:], before[0, 8:])


class TestAttentionPatterns:
    """On a grid of 3 × 4 image tokens after 2 of text, in a window of 3."""

    @staticmethod
    def seen(pattern: str, position: int) -> set[int]:
        """Which image tokens the image token at `position` may look at."""
        mask = attention_mask(pattern, 2, 3, 4, 3)
        assert mask is not None
        assert bool(mask[2:, :2].all())
        assert torch.equal(mask[:2], torch.ones(2, 14, dtype=torch.bool).tril())
        return set(mask[2 + position, 2:].nonzero().flatten().tolist())

    @pytest.mark.parametrize(
        ("pattern", "position", "expected"),
        [
            ("row", 0, {0}), ("row", 3, {0, 1, 2, 3}), ("row", 6, {2, 3, 4, 5, 6}),
            ("column", 3, {3}), ("column", 6, {2, 6}), ("column", 11, {3, 7, 11}),
            ("conv", 5, {0, 1, 2, 4, 5}), ("conv", 7, {2, 3, 6, 7}), ("conv", 8, {4, 5, 8}),
        ],
    )  # fmt: skip
    def test_sees(self, pattern: str, position: int, expected: set[int]) -> None:
        assert self.seen(pattern, position) == expected

    def test_dense_needs_no_mask(self) -> None:
        assert attention_mask("dense", 2, 3, 4, 3) is None

    def test_an_unknown_one_is_named(self) -> None:
        with pytest.raises(ValueError, match="unknown attention pattern 'diagonal'; expected one of"):
            Transformer(replace(TINY, attention=("dense", "diagonal")))

    def test_patterns_are_repeated_over_the_layers(self) -> None:
        network = Transformer(replace(TINY, layers=3, attention=("row", "column")))
        masks = [mask for layer in range(3) if (mask := network._mask(layer, 0, 18)) is not None]
        assert len(masks) == 3
        assert torch.equal(masks[0], masks[2])
        assert not torch.equal(masks[0], masks[1])


def test_the_digits_of_a_token_sum_to_one(network: Transformer) -> None:
    """Σ over all 60 tokens of p(first token) is 1: the chain rule is exact."""
    text, tokens = random_batch(1)
    every = torch.arange(60)
    _, nll = network(text.expand(60, -1), torch.cat([every[:, None], tokens.expand(60, -1)[:, 1:]], dim=1))
    assert float((-nll[:, 0]).exp().sum()) == pytest.approx(1, abs=1e-5)


def test_digits_round_trip() -> None:
    tokens = torch.arange(60)
    a, b, c = split_digits(tokens, (4, 3, 5)).unbind(-1)
    assert torch.equal((a * 3 + b) * 5 + c, tokens)


def test_text_changes_the_picture(network: Transformer) -> None:
    text, tokens = random_batch(1)
    other = text.clone()
    other[0, 0] = (other[0, 0] + 1) % TINY.vocab_size
    assert not torch.allclose(network(text, tokens)[1], network(other, tokens)[1])


def test_wrong_lengths_name_expected_and_actual(network: Transformer) -> None:
    text, tokens = random_batch()
    with pytest.raises(ValueError, match=r"expected \(text, image\) lengths \(6, 12\), got \(6, 11\)"):
        network(text, tokens[:, :-1])


def test_it_learns() -> None:
    """A tiny network memorises two captions' pictures, text deciding which."""
    torch.manual_seed(0)
    network = Transformer(TINY)
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3)
    text, tokens = random_batch(2)
    for _ in range(60):
        loss = network(text, tokens)[1].mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.3


def test_of_a_token_not_shown_only_the_place_is_told(network: Transformer) -> None:
    """What is hidden changes nothing, not even where it is itself predicted from its own place."""
    text, tokens = random_batch(1)
    shown = torch.ones(1, TINY.image_length, dtype=torch.bool)
    shown[0, 5] = False
    changed = tokens.clone()
    changed[0, 5] = (changed[0, 5] + 31) % 60
    before, after = network(text, tokens, shown=shown)[1], network(text, changed, shown=shown)[1]
    others = torch.arange(TINY.image_length) != 5
    assert torch.equal(before[0, others], after[0, others])
    assert before[0, 5] != after[0, 5]
    assert not torch.allclose(before[0, 6:], network(text, tokens)[1][0, 6:])


class TestOutline:
    """What the text alone says of each token."""

    def test_its_states_are_those_of_one_pass_that_sees_no_token(self, told: Transformer) -> None:
        (text, tokens), sentence = random_batch(), random_sentences()
        states = told.outlines(text, sentence)
        unseen = told(text, tokens, sentence, torch.zeros_like(tokens, dtype=torch.bool))[1]
        alone = told.head.losses(states, split_digits(tokens, TINY.levels))
        torch.testing.assert_close(alone, unseen, atol=1e-5, rtol=0)

    def test_it_is_read_digit_by_digit_from_any_place(self, told: Transformer) -> None:
        """Its evidence is the difference of the two texts' logits, in each of three candidates given its digits."""
        text, sentence = random_batch(2)[0], random_sentences(2)
        states, digits = told.outlines(text, sentence), split_digits(random_batch(3)[1], TINY.levels)
        outline = Outline(told.head, states, batch=3, position=4)
        for position in range(4, TINY.image_length):
            expected = states[:, position].unsqueeze(1).expand(-1, 3, -1)
            for place in range(len(TINY.levels)):
                expected, logits = told.head.stage(expected, place)
                torch.testing.assert_close(outline.evidence(), logits[0] - logits[1])
                chosen = digits[:, position, place]
                expected = expected + told.head.embedding.one(chosen, place)
                if (position, place) != (TINY.image_length - 1, len(TINY.levels) - 1):
                    outline.take(chosen)

    def test_the_same_text_twice_is_no_evidence(self, told: Transformer) -> None:
        states = told.outlines(random_batch(1)[0].repeat(2, 1), random_sentences(1).repeat(2, 1))
        evidence = Outline(told.head, states, batch=2, position=0).evidence()
        torch.testing.assert_close(evidence, torch.zeros_like(evidence), atol=1e-6, rtol=0)
