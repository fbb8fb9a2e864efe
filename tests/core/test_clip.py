"""CLIP and the reranker: unit vectors, padding that does not count, and a pair of encoders that learns to match."""

import pytest
import torch

from dalle_core.clip import CLIP, contrastive_loss
from dalle_core.config import CLIPConfig
from dalle_core.rerank import CLIPReranker
from dalle_core.tokenizers import train_tokenizer

TINY = CLIPConfig(
    image_size=32, channels=(8, 16), image_blocks=(1, 1), vocab_size=300, text_length=8, text_layers=1, text_width=16,
    text_heads=2, dim=16,
)  # fmt: skip
COLOURS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "white": (1, 1, 1)}


def plain_pictures() -> torch.Tensor:
    return torch.stack([torch.tensor(rgb).float().view(3, 1, 1).expand(3, 32, 32) for rgb in COLOURS.values()])


def test_embeddings_have_unit_length() -> None:
    clip = CLIP(TINY)
    text = torch.randint(2, 300, (5, 8))
    assert clip.encode_images(torch.rand(5, 3, 32, 32)).norm(dim=1).tolist() == pytest.approx([1] * 5, abs=1e-5)
    assert clip.encode_texts(text, 0).norm(dim=1).tolist() == pytest.approx([1] * 5, abs=1e-5)


def test_what_stands_in_padding_does_not_count() -> None:
    clip = CLIP(TINY).eval()
    text = torch.tensor([[5, 6, 7, 0, 0, 0, 0, 0]])
    before = clip.encode_texts(text, 0)
    with torch.no_grad():
        clip.text_encoder.embedding.weight[0] += 3
    torch.testing.assert_close(clip.encode_texts(text, 0), before)


def test_the_loss_is_lowest_where_pairs_match() -> None:
    assert contrastive_loss(10 * torch.eye(4)) < contrastive_loss(torch.zeros(4, 4))
    assert float(contrastive_loss(torch.zeros(4, 4))) == pytest.approx(torch.log(torch.tensor(4.0)).item())


def test_trained_on_four_colours_it_reranks_them() -> None:
    torch.manual_seed(0)
    tokenizer = train_tokenizer(list(COLOURS) * 3, 300, 8)
    clip, images = CLIP(TINY), plain_pictures()
    optimizer = torch.optim.AdamW(clip.parameters(), lr=3e-3)
    text = tokenizer.batch(COLOURS)
    for _ in range(40):
        seen, read, scale = clip(images, text, tokenizer.pad_id)
        loss = contrastive_loss(scale * seen @ read.T)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    reranker = CLIPReranker("tiny", clip.eval(), tokenizer, baseline=tuple(i / 10 for i in range(10)))
    for number, colour in enumerate(COLOURS):
        assert int(reranker.score(images, colour).argmax()) == number
    assert reranker.score(torch.rand(2, 3, 64, 64), "red").shape == (2,)  # another size is resized


def test_percentiles() -> None:
    reranker = CLIPReranker("tiny", CLIP(TINY), train_tokenizer(["a"], 300, 8), baseline=(0.3, 0.1, 0.2, 0.4))
    assert [reranker.percentile(score) for score in (0.0, 0.25, 0.9)] == [0, 50, 100]
    assert CLIPReranker("none", CLIP(TINY), train_tokenizer(["a"], 300, 8)).percentile(0.5) is None
