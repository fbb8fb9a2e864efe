"""The bundled family: what was trained comes back the same, paints reproducibly, and refuses what does not belong."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from dalle_core.checkpoints import read_json, save_weights, sha256_of, write_json
from dalle_core.errors import CheckpointError, RequestError
from dalle_core.families.bundled import PROTOTYPES, BundledModel, load_bundled
from dalle_core.families.registry import load_model, read_spec
from dalle_core.generate import CandidateFinished, Finished, GenerationRequest, Preview, Progress, Started, generate
from dalle_core.glossary import GLOSSARY, Glossary
from dalle_core.hues import HUES, share_of_hue, things
from dalle_core.phrases import PLACES
from dalle_core.quantizers import split_digits
from dalle_core.rerank import square
from dalle_core.training.workshop import Workshop
from dalle_core.transformer import Outline
from dalle_core.vocabulary import VOCABULARY
from tests.fakes import FakeReranker

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def model(model_folder: Path) -> BundledModel:
    return load_bundled(model_folder, CPU)


def merits(model: BundledModel, finished: Finished) -> list[float]:
    """What its candidates are ranked by."""
    return [(c.score or 0) - model.reranker.surprisal_weight * (c.surprisal or 0) for c in finished.candidates]


@pytest.fixture
def copy(model_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model_folder, tmp_path / "copy"))


def finish(model: BundledModel, request: GenerationRequest) -> Finished:
    *_, last = generate(model, request, model.reranker)
    assert isinstance(last, Finished)
    return last


def test_the_spec_is_read_without_the_weights(model_folder: Path, model: BundledModel) -> None:
    spec = read_spec(model_folder)
    assert spec == model.spec
    assert (spec.name, spec.rows, spec.cols, spec.codebook_size) == ("my-test", 4, 4, 20)


def test_what_is_painted_does_not_depend_on_what_ranks_it(model_folder: Path, model: BundledModel) -> None:
    request = GenerationRequest("red disc", count=2, keep=1, seed=3, guidance_scale=2)
    other = load_bundled(model_folder, CPU)
    other.reranker = FakeReranker()  # type: ignore[assignment]  # any can take its place
    first, second = finish(model, request), finish(other, request)
    assert {each.index: each.tokens.tolist() for each in first.candidates} == {
        each.index: each.tokens.tolist() for each in second.candidates
    }


def test_painting_streams_and_ranks(model: BundledModel) -> None:
    request = GenerationRequest("red disc", count=5, keep=2, batch_width=2, seed=3)
    events = list(generate(model, request, model.reranker))
    assert isinstance(events[0], Started)
    assert sum(isinstance(event, CandidateFinished) for event in events) == 5
    assert [event.row for event in events if isinstance(event, Preview)] == [1, 2, 3] * 3
    progress = [event for event in events if isinstance(event, Progress)]
    assert progress[-1].seconds_left == 0
    last = events[-1]
    assert isinstance(last, Finished)
    assert [candidate.rank for candidate in last.candidates] == [1, 2, 3, 4, 5]
    assert merits(model, last) == sorted(merits(model, last), reverse=True)
    assert {candidate.seed for candidate in last.candidates} == {3, 4, 5, 6, 7}


@pytest.mark.parametrize("negative", [None, "blue box"])
def test_what_the_text_alone_says_is_added_to_the_first_prompts_logits(
    model_folder: Path, copy: Path, model: BundledModel, negative: str | None
) -> None:
    config = json.loads((copy / "config.json").read_text())
    config["transformer"]["outline"] = 0.0
    (copy / "config.json").write_text(json.dumps(config))
    plain = load_bundled(copy, CPU)
    prompts = ["red disc"] if negative is None else ["red disc", negative]
    prefix, digits = torch.arange(4), torch.tensor([1, 0, 1])
    pairs = []
    for each in (model, plain):
        state, first = each.prefill(each.encode_prompts(prompts), prefix, 3)
        pairs.append((first, each.next_logits(state, digits)))
    reference = model.encode_prompts(["red disc", negative or ""]).value.outlines
    outline = Outline(model.transformer.head, reference, 3, 4)
    for with_outline, without in zip(*pairs, strict=True):
        expected = without.clone()
        expected[0] += model.transformer.config.outline * outline.evidence()
        torch.testing.assert_close(with_outline, expected)
        outline.take(digits)


def test_each_thing_is_told_where_the_prompt_has_it(model: BundledModel) -> None:
    told = model.encode_prompts(["a red disc left of a blue box", ""]).value
    features = model.clip.encode_texts(model.tokenizer.batch(["a red disc", "a blue box"]), model.tokenizer.pad_id)
    places = told.phrases[0].view(4, 4, -1)
    torch.testing.assert_close(places[1:3, :2], features[0].expand(2, 2, -1))
    torch.testing.assert_close(places[1:3, 2:], features[1].expand(2, 2, -1))
    assert not places[[0, 3]].any()
    assert not told.phrases[1].any()
    other = model.encode_prompts(["a red disc right of a blue box"]).value
    torch.testing.assert_close(other.phrases[0].view(4, 4, -1)[1:3, 2:], features[0].expand(2, 2, -1))


LIST = "a red disc﹐a blue box﹐a red disc"  # as a glossary that knows them words it


def test_of_a_list_each_kind_is_painted_in_its_places_by_what_its_own_prompt_says(model: BundledModel) -> None:
    told = model.encode_prompts([LIST, "blue box"]).value
    whole = model.encode_prompts(["三个red disc", "blue box"]).value, model.encode_prompts(["三个blue box"]).value
    assert torch.equal(told.ids, torch.stack([whole[0].ids[0], whole[1].ids[0], whole[0].ids[1], whole[0].ids[1]]))
    torch.testing.assert_close(told.phrases[:2], torch.cat([whole[0].phrases[:1], whole[1].phrases]))
    owners = told.owners.view(4, 4).tolist()
    assert owners == [[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0]]
    assert torch.equal(told.shown, torch.stack([told.owners == 0, told.owners == 1] * 2))
    torch.testing.assert_close(told.outlines[0, 0], whole[0].outlines[0, 0])
    torch.testing.assert_close(told.outlines[1], whole[0].outlines[1])


def test_of_a_list_no_kind_sees_what_was_painted_of_another(model: BundledModel) -> None:
    conditioning, tokens = model.encode_prompts([LIST, ""]), torch.arange(16)
    assert (conditioning.kinds, model.encode_prompts(["red disc"]).kinds) == (2, 1)
    other = tokens.clone()
    other[8:10] += 1  # the box's
    before, after = (model.forced_logits(conditioning, each)[0] for each in (tokens, other))
    boxes = conditioning.value.owners == 1
    torch.testing.assert_close(before[:, ~boxes], after[:, ~boxes])
    assert not torch.equal(before[:, boxes], after[:, boxes])


@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_a_list_is_painted_completed_and_varied(model: BundledModel, guidance: float) -> None:
    request = GenerationRequest(LIST, count=2, keep=1, batch_width=2, seed=5, guidance_scale=guidance)
    painted = finish(model, request).candidates
    again = finish(model, request).candidates
    assert [each.tokens.tolist() for each in painted] == [each.tokens.tolist() for each in again]
    kept = tuple(painted[0].tokens[:8].tolist())
    completed = finish(model, replace(request, prefix_tokens=kept)).candidates
    assert all(each.tokens[:8].tolist() == list(kept) for each in completed)
    source = tuple(painted[0].tokens.tolist())
    varied = finish(model, replace(request, source_tokens=source, strength=0.01)).candidates
    assert all(each.tokens.tolist() == list(source) for each in varied)


@pytest.mark.parametrize(
    "prompts", [["red disc"], ["a red disc left of a blue box", "blue box"], [LIST], [LIST, "box"]]
)
def test_forced_logits_are_those_of_decoding(model: BundledModel, prompts: list[str]) -> None:
    tokens = torch.randint(
        model.spec.codebook_size, (model.spec.token_count,), generator=torch.Generator().manual_seed(5)
    )
    assert model.transformer.config.outline
    conditioning, digits = model.encode_prompts(prompts), split_digits(tokens, model.spec.levels)
    forced = model.forced_logits(conditioning, tokens)
    state, logits = model.prefill(conditioning, tokens[:0], 1)
    for position, row in enumerate(digits):
        for place, digit in enumerate(row):
            assert logits.shape[:2] == (len(prompts), 1)
            torch.testing.assert_close(logits[:, 0], forced[place][:, position], atol=1e-4, rtol=0)
            if (position, place) != (len(digits) - 1, len(row) - 1):
                logits = model.next_logits(state, digit[None])


def test_how_surprising_pictures_are_is_found_again_from_their_tokens(model: BundledModel) -> None:
    request = GenerationRequest(
        "a red disc left of a blue box", count=3, keep=1, batch_width=3, seed=5, guidance_scale=4
    )
    assert model.reranker.surprisal_weight
    candidates = finish(model, request).candidates
    earlier = [replace(candidate, surprisal=None) for candidate in candidates]
    *_, again = generate(model, request, model.reranker, earlier=earlier)
    assert isinstance(again, Finished)
    found = [candidate.surprisal for candidate in candidates]
    assert len(set(found)) == 3
    assert [candidate.surprisal for candidate in again.candidates] == pytest.approx(found, abs=1e-4)


def test_the_same_seed_paints_the_same_picture(model: BundledModel) -> None:
    request = GenerationRequest("blue box", count=4, keep=1, batch_width=4, seed=11)
    first, again = finish(model, request), finish(model, request)
    assert all(torch.equal(a.image, b.image) for a, b in zip(first.candidates, again.candidates, strict=True))
    alone = finish(model, GenerationRequest("blue box", count=1, keep=1, batch_width=4, seed=13)).candidates[0]
    twin = next(candidate for candidate in first.candidates if candidate.seed == 13)
    assert torch.equal(alone.tokens, twin.tokens)
    assert torch.equal(alone.image, twin.image)


def test_kept_rows_come_back_unchanged(model: BundledModel) -> None:
    tokens = model.image_to_tokens(torch.rand(1, 3, 32, 32))[0]
    kept = tuple(tokens[:8].tolist())
    for candidate in finish(model, GenerationRequest("red bar", count=3, keep=1, prefix_tokens=kept)).candidates:
        assert tuple(candidate.tokens[:8].tolist()) == kept


def test_a_negative_prompt_changes_the_picture(model: BundledModel) -> None:
    def tokens(negative: str, guidance_scale: float) -> list[int]:
        request = GenerationRequest("red bar", negative, count=8, keep=1, temperature=1, guidance_scale=guidance_scale)
        return [token for candidate in finish(model, request).candidates for token in candidate.tokens.tolist()]

    assert tokens("blue disc", 30) != tokens("", 30)
    assert tokens("blue", 1) == tokens("", 1)  # at scale 1 there is nothing to steer away from


def test_prefixes_that_do_not_fit(model: BundledModel) -> None:
    for prefix in [(1,) * 3, (1,) * 16, (20,) * 4, (-1,) * 4]:
        with pytest.raises(RequestError, match="kept"):
            list(generate(model, GenerationRequest("red", count=1, keep=1, prefix_tokens=prefix)))


def test_a_cut_prompt_is_noted(model: BundledModel) -> None:
    started = next(iter(generate(model, GenerationRequest("red disc " * 30, count=1, keep=1))))
    assert isinstance(started, Started)
    assert "longer than the model reads" in started.notes[0]


def test_previews_show_what_is_painted_and_leave_the_rest_white(model: BundledModel) -> None:
    """Down to one row of tokens below, into which the decoder blurs what there is."""
    tokens = model.image_to_tokens(torch.rand(1, 3, 32, 32))
    garbage = tokens.clone()
    garbage[:, 8:] = 7
    preview = model.tokens_to_images(tokens, 8)
    assert torch.equal(preview, model.tokens_to_images(garbage, 8))
    assert preview.shape == (1, 3, 32, 32)
    assert not bool((preview[:, :, :16] == 1).all())
    assert bool((preview[:, :, 24:] == 1).all())


def test_a_finished_picture_is_decoded_whole(model: BundledModel) -> None:
    tokens = model.image_to_tokens(torch.rand(2, 3, 32, 32))
    assert torch.equal(model.tokens_to_images(tokens, 16), model.dvae.decode(tokens))


def test_a_missing_folder_or_file(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no model folder"):
        load_model(tmp_path / "nothing", CPU)
    (copy / "dvae.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"missing file: .*dvae\.safetensors"):
        load_model(copy, CPU)


@pytest.mark.parametrize("name", ["dvae.safetensors", "transformer.safetensors", "clip.safetensors", "tokenizer.json",
                                  "glossary.json", "prototypes.safetensors"])  # fmt: skip
def test_one_flipped_byte_is_seen(copy: Path, name: str) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=f"{name} is corrupt or another file: expected SHA-256 .*, found"):
        load_model(copy, CPU)


def test_prompts_are_read_by_the_glossary(copy: Path, model: BundledModel) -> None:
    Glossary({"圆盘": "disc"}).save(copy / GLOSSARY)
    relisted(copy, GLOSSARY)
    reading = load_bundled(copy, CPU)
    told, plain = reading.encode_prompts(["red 圆盘"]).value, model.encode_prompts(["red disc"]).value
    assert torch.equal(told.ids, plain.ids)
    assert torch.equal(told.sentences, plain.sentences)
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(reading.reranker.score(images, "red 圆盘"), reading.reranker.score(images, "red disc"))


def test_words_that_it_never_learned_are_noted(copy: Path, model: BundledModel) -> None:
    assert model.encode_prompts(["a red disc", "zorgon"]).notes == ()
    *_, note = model.encode_prompts(["a red zorgon, wibble"]).notes
    assert note == "Words that the model has not learned: “zorgon”, “wibble”"
    (copy / VOCABULARY).unlink()
    silent = load_bundled(copy, CPU)
    assert silent.spec.sha256 == model.spec.sha256  # it paints the same
    assert silent.encode_prompts(["zorgon"]).notes == ()
    (copy / VOCABULARY).write_text("[]")
    with pytest.raises(CheckpointError, match=r"vocabulary\.json"):
        load_bundled(copy, CPU)


def relisted(folder: Path, name: str) -> None:
    """A file that was changed, or deleted, as if it had been so from the start."""
    config = read_json(folder / "config.json")
    files = {each: sha for each, sha in config["files"].items() if each != name}
    if (folder / name).exists():
        files[name] = sha256_of(folder / name)
    write_json(folder / "config.json", {**config, "files": files})


def test_texts_are_looked_for_where_pictures_of_what_they_name_lie(copy: Path, model: BundledModel) -> None:
    made = model.reranker.prototypes
    assert made is not None
    assert made.named.shape == made.seen.shape == (19, 16)  # one of the twenty is held out
    assert torch.allclose(made.seen.norm(dim=1), torch.ones(19), atol=1e-3)
    assert made.hues is not None
    assert made.hues.shape == (19, 2)
    (copy / PROTOTYPES).unlink()
    relisted(copy, PROTOTYPES)
    plain = load_bundled(copy, CPU).reranker
    assert plain.prototypes is None
    texts = plain.read(["red disc", "blue ring"])
    assert torch.allclose(model.reranker.read(["red disc", "blue ring"]), made(texts, plain.clip.scale), atol=1e-6)
    assert not torch.allclose(model.reranker.read(["red disc", "blue ring"]), texts, atol=0.01)


def test_the_hues_of_what_it_knows_are_those_of_its_pictures(model: BundledModel, workshop: Workshop) -> None:
    made = model.reranker.prototypes
    assert made is not None
    assert made.hues is not None
    for concept, (across, up) in zip(workshop.art.concepts, made.hues.tolist(), strict=True):
        named = math.radians(HUES[concept.split()[0]])
        assert across * math.cos(named) + up * math.sin(named) > math.cos(math.radians(30))
    for number, text in enumerate(made.named):  # each name is nearest to itself
        hue = made.hue(text, torch.tensor(1e4))
        assert hue is not None
        point = torch.polar(made.hues[number].norm(), torch.tensor(math.radians(hue)))
        assert torch.allclose(torch.view_as_real(point), made.hues[number], atol=0.01)


def test_a_model_whose_hues_nobody_noted_turns_none(copy: Path) -> None:
    weights = load_file(copy / PROTOTYPES)
    del weights["hues"]
    save_weights(copy / PROTOTYPES, weights, None)
    relisted(copy, PROTOTYPES)
    older = load_bundled(copy, CPU).reranker
    assert older.prototypes is not None
    assert older.prototypes.hue(older.prototypes.named[0], older.clip.scale) is None
    assert older.score(torch.rand(2, 3, 32, 32), "a blue disc").shape == (2,)


@pytest.mark.parametrize("shapes", [((20, 16), (20, 8)), ((20, 8), (20, 8)), ((3, 16), (20, 16)), ((20,), (20,))])
def test_prototypes_of_another_shape_are_refused(copy: Path, shapes: tuple[tuple[int, ...], ...]) -> None:
    save_weights(
        copy / PROTOTYPES,
        {name: torch.ones(shape) for name, shape in zip(("named", "seen"), shapes, strict=True)},
        None,
    )
    relisted(copy, PROTOTYPES)
    with pytest.raises(CheckpointError, match=r"prototypes\.safetensors"):
        load_bundled(copy, CPU)


def test_a_model_without_a_glossary_reads_prompts_as_they_are(copy: Path, model: BundledModel) -> None:
    (copy / GLOSSARY).unlink()
    relisted(copy, GLOSSARY)
    older = load_bundled(copy, CPU)
    assert older.tokenizer.glossary.names == {}
    assert torch.equal(older.encode_prompts(["red disc"]).value.ids, model.encode_prompts(["red disc"]).value.ids)


def test_a_config_cut_short_or_of_another_kind(copy: Path) -> None:
    config = copy / "config.json"
    text = config.read_text()
    config.write_text(text[:200])
    with pytest.raises(CheckpointError, match="not readable JSON"):
        load_model(copy, CPU)
    for field, value, message in [
        ("format", 99, "expected config format 1, found 99"),
        ("spec", {**json.loads(text)["spec"], "family": "diffusion"}, "unknown family 'diffusion'"),
        ("spec", {}, "lacks or has an unexpected field"),
        ("transformer", {"depth": 3}, "unknown fields"),
    ]:
        config.write_text(json.dumps({**json.loads(text), field: value}))
        with pytest.raises(CheckpointError, match=message):
            load_model(copy, CPU)


def test_weights_of_another_shape_are_refused(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    config["transformer"]["hidden"] = 96
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"transformer\.safetensors: .* is \(32, 64\), expected \(32, 96\)"):
        load_model(copy, CPU)


def test_a_picture_painted_alone_in_its_row_is_the_same_at_any_width(model: BundledModel) -> None:
    """Rows of one product differ in the last bits at some widths, so a lone picture takes the row it had."""
    for width in (3, 5, 8):
        request = GenerationRequest("green ring", count=width + 2, keep=1, batch_width=width, seed=40)
        for twin in finish(model, request).candidates:
            slot = twin.index % width
            alone = GenerationRequest("green ring", count=1, keep=1, batch_width=width, seed=twin.seed, slot=slot)
            again = finish(model, alone).candidates[0]
            assert torch.equal(again.tokens, twin.tokens)
            assert torch.equal(again.image, twin.image)


def test_what_ships_paints_three_different_things() -> None:
    model = load_bundled(Path(__file__).parents[2] / "assets" / "models" / "emblem-128", CPU)
    request = GenerationRequest("a red heart, a blue star and a green car", count=4, keep=1, batch_width=4, seed=1)
    best = finish(model, request).candidates[0].image.unsqueeze(0)
    for place, hue, name in zip(PLACES[3], ("red", "blue", "green"), ("heart", "star", "automobile"), strict=True):
        seen = square(best, place)
        assert share_of_hue(seen, things(seen), hue) > 0.6
        others = {"heart", "star", "automobile", "cat face"} - {name}
        scores = {other: float(model.reranker.score(seen, f"{hue} {other}")) for other in (name, *others)}
        assert max(scores, key=lambda each: scores[each]) == name
