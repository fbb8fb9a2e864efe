"""From finished runs to a model's folder: weights in half precision, config with hashes, tokenizer, card, curves."""

import json
import math
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from dalle_core.checkpoints import FORMAT, read_json, save_weights, second_name, sha256_of, write_json
from dalle_core.clip import CLIP
from dalle_core.errors import TrainingError
from dalle_core.everyday import Everyday
from dalle_core.families.base import ModelSpec
from dalle_core.families.bundled import IMAGE_TOKENIZER, PROTOTYPES, BundledModel, load_bundled
from dalle_core.families.openai_dvae import WEIGHTS
from dalle_core.families.registry import CONFIG
from dalle_core.glossary import GLOSSARY, Glossary
from dalle_core.phrases import HUE_ZH
from dalle_core.rerank import CLIPReranker, Prototypes
from dalle_core.tokenizers import TextTokenizer
from dalle_core.training.art import ArtSet
from dalle_core.training.captions import AROUND, COLOUR_WORDS, COLOUR_WORDS_ZH, grounds, plural
from dalle_core.training.card import RECORD, model_card, training_record
from dalle_core.training.compose import as_drawn, compose
from dalle_core.training.kinds import kinds
from dalle_core.training.loop import plot_curves, read_metrics
from dalle_core.training.naming import NamedCLIP
from dalle_core.training.synonyms import everyday
from dalle_core.training.workshop import Workshop
from dalle_core.transformer import Transformer
from dalle_core.vocabulary import VOCABULARY, Name, Vocabulary
from dalle_core.wording import several

NETWORKS = ("dvae", "transformer", "clip")
CURVES = "curves.png"
BASELINE_PAIRS = 4000
PREVIEWS = 8  # steps in which a picture grows; each costs about as much as half a row of tokens


def model_name(workshop: Workshop) -> str:
    """The preset's; a model of one's own art has another, so that it never takes the bundled one's place."""
    return workshop.preset.name if workshop.art.origin == "open" else f"my-{workshop.preset.name}"


def assemble(workshop: Workshop, name: str = "") -> BundledModel:
    """The model as it would be bundled, from the best weights of the runs, rounded as they will be stored."""
    config, networks = workshop.preset.transformer, {}
    tokenizer = TextTokenizer(workshop.tokenizer().library, config.text_length, glossary(workshop.art))
    for network in NETWORKS:
        networks[network] = workshop.finished_dvae() if network == "dvae" else workshop.trained(network)
        if network in workshop.preset.stages:
            networks[network].half().float()  # what is measured is what ships
    dvae: Any = networks["dvae"]
    transformer: Any = networks["transformer"]
    learner: Any = networks["clip"]
    clip = learner.plain()
    styles = tuple(dict.fromkeys(row.style for row in workshop.art.rows if row.style))
    spec = ModelSpec(
        name=name or model_name(workshop),
        family="bundled",
        image_size=workshop.preset.dvae.image_size,
        rows=config.rows,
        cols=config.cols,
        levels=config.levels,
        text_length=config.text_length,
        languages=("en", "zh"),
        licence=_licence(workshop),
        can_encode=True,
        sha256="",
        styles=styles,
        preview_rows=max(1, config.rows // PREVIEWS),
    )
    reranker = CLIPReranker(f"{spec.name}-clip", clip, tokenizer)
    reranker.prototypes = prototypes(reranker, workshop)
    reranker = CLIPReranker(reranker.name, clip, tokenizer, baseline_scores(reranker, workshop), reranker.prototypes)
    words = vocabulary(workshop.art, tokenizer.glossary)
    return BundledModel(spec, dvae, transformer, tokenizer, reranker, workshop.device, words)


def glossary(art: ArtSet) -> Glossary:
    """The art's Chinese labels and synonyms with its English labels; without those that mean several things, and those
    of which only the English one names a colour: a prompt may name another. And the English ones that might be read as
    two things; and where there are Chinese ones, whose counts are learned then, the plurals of all English names. And
    everyday words for any of the open art's English labels, which come before synonyms.
    """
    rows = [art.rows[i] for i in art.where("train")]
    labels, synonyms = dict[str, set[str]](), dict[str, set[str]]()
    for row in rows:
        for number, name in enumerate(row.zh):
            (synonyms if number else labels).setdefault(name, set()).add(row.en[0].lower())

    def names_colour(zh: str) -> bool:
        return bool(COLOUR_WORDS_ZH.search(zh)) or (zh in labels and zh[0] in "红橙黄绿蓝紫粉棕黑白灰")  # 黑猫

    synonyms = {name: meant for name, meant in synonyms.items() if len(name) > 1 and not re.fullmatch(HUE_ZH, name)}
    looked_up = {
        zh: en
        for zh, (en, *others) in ((zh, sorted(meant)) for zh, meant in (synonyms | labels).items())
        if not others and (names_colour(zh) or not COLOUR_WORDS.search(en))
    }
    called = {row.en[0].lower() for row in rows}
    words = everyday(called) if art.origin == "open" else {}
    looked_up = {zh: en for zh, en in looked_up.items() if zh not in words}
    kept = {label: label for label in several(called)}
    plurals = dict[str, str]()
    if labels:
        names = called.union(*(map(str.lower, row.en) for row in rows))
        many = sorted((plural(one).lower(), one) for one in names)
        kept |= dict(sorted(many, key=lambda pair: pair[0] != pair[1]))  # "rockets" is a name, too, but of a rocket
        kept |= {label: label for label in called & kept.keys()}
        plurals = {plural(one).lower(): one for one in sorted(called.union(filter(str.isascii, words)))}
        plurals |= {label: label for label in called & plurals.keys()}
    everyday_words = Everyday(dict(sorted(words.items())), dict(sorted(plurals.items())) if words else None)
    return Glossary(dict(sorted((kept | looked_up).items())), everyday_words)


def vocabulary(art: ArtSet, read_by: Glossary) -> Vocabulary:
    """What the training pictures are called, label by label, and what captions say around it."""
    called = dict[str, tuple[dict[str, None], dict[str, None]]]()  # by label: names in both languages, in order
    for row in (art.rows[i] for i in art.where("train")):
        english, chinese = called.setdefault(row.en[0].lower(), ({}, {}))
        english.update(dict.fromkeys(row.en))
        chinese.update(dict.fromkeys(row.zh))
    names = [Name(tuple(english), tuple(chinese)) for _, (english, chinese) in sorted(called.items())]
    styles = {row.style for row in art.rows if row.style}
    like = kinds(called.keys()) if art.origin == "open" else {}
    return Vocabulary(names, [*AROUND, *grounds(), *sorted(styles)], like, read_by)


def _licence(workshop: Workshop) -> str:
    own = "Apache-2.0" if workshop.art.origin == "open" else "its author's to say"
    if workshop.preset.trains_dvae:
        return own
    return f"{own}; the dVAE: {workshop.published.spec.licence}"


@torch.inference_mode()
def prototypes(reranker: CLIPReranker, workshop: Workshop) -> Prototypes:
    """Of each concept of the art, by its first name and all its training pictures as they are drawn."""
    art, size = workshop.art, workshop.preset.dvae.image_size
    of = art.concepts.values()
    named = reranker.read([art.rows[rows[0]].en[0] for rows in of])
    rows = np.array([row for each in of for row in each])
    chunks = (as_drawn(art, chunk, size) for chunk in np.array_split(rows, math.ceil(len(rows) / 64)))
    pictures = torch.cat([reranker.clip.encode_images(chunk.to(workshop.device)) for chunk in chunks])
    concepts = torch.repeat_interleave(torch.tensor([len(each) for each in of])).to(workshop.device)
    sums = torch.zeros_like(named).index_add_(0, concepts, pictures)
    hues = torch.tensor([_mean_hue(art, each) for each in of], device=workshop.device)
    made = Prototypes(named, F.normalize(sums, dim=-1), hues)
    return made.half().float()  # what is measured is what ships


def _mean_hue(art: ArtSet, rows: list[int]) -> tuple[float, float]:
    """The point on the unit circle of each picture's hue, 0 of what has none, on the average."""
    angles = [math.radians(hue) for row in rows if (hue := art.rows[row].hue) is not None]
    return sum(map(math.cos, angles)) / len(rows), sum(map(math.sin, angles)) / len(rows)


def baseline_scores(reranker: CLIPReranker, workshop: Workshop) -> tuple[float, ...]:
    """201 quantiles of the scores of real pictures with captions of other pictures."""
    art, rng = workshop.art, np.random.default_rng(11)
    batch = compose(
        art, rng.choice(art.where("train"), 256), workshop.preset.dvae.image_size, (11, 1), workshop.preset.mixture
    )
    with torch.inference_mode():
        images = reranker.clip.encode_images(batch.images.to(workshop.device))
        scores = (images @ reranker.read(batch.captions).T).cpu()
    others = scores[~torch.eye(len(scores), dtype=torch.bool)]
    picked = others[torch.from_numpy(rng.choice(len(others), BASELINE_PAIRS))]
    return tuple(round(float(q), 5) for q in np.quantile(picked.numpy(), np.linspace(0, 1, 201)))


def bundle(workshop: Workshop, out: Path, name: str = "") -> Path:
    """Write `out`/<name>, load it back to see that it holds, and only then put it in place."""
    if name and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise TrainingError(f"the name is {name!r}; expected letters, digits, '.', '_' and '-'")
    model = assemble(workshop, name)
    target = out / model.spec.name
    staging = out / f".{model.spec.name}.tmp"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    modules = {"dvae": model.dvae, "transformer": model.transformer, "clip": model.reranker.clip}
    for name, module in modules.items():
        if name in workshop.preset.stages:
            save_weights(staging / f"{name}.safetensors", module.state_dict(), torch.float16)
    if not workshop.preset.trains_dvae:
        second_name(workshop.published_folder / WEIGHTS, staging / WEIGHTS)
    model.tokenizer.save(staging / "tokenizer.json")
    model.tokenizer.glossary.save(staging / GLOSSARY)
    if model.reranker.prototypes is not None:
        save_weights(staging / PROTOTYPES, model.reranker.prototypes.state_dict(), torch.float16)
    files = {path.name: sha256_of(path) for path in sorted(staging.iterdir())}
    write_json(staging / CONFIG, _config(model, workshop, files))
    figures = _figures(workshop)
    (staging / "MODEL_CARD.md").write_text(model_card(workshop, model.spec.name, figures), encoding="utf-8")
    _curves(workshop, staging / CURVES)
    if model.vocabulary is not None:  # beside the hashes: no picture depends on it
        model.vocabulary.save(staging / VOCABULARY)
    load_bundled(staging, torch.device("cpu"))
    shutil.rmtree(target, ignore_errors=True)
    staging.replace(target)
    return target


def _curves(workshop: Workshop, target: Path) -> None:
    """Of what was trained here; a model of which nothing was keeps those that it had when it was taken up."""
    folders = [folder for stage in workshop.preset.stages if (folder := workshop.folder / stage).is_dir()]
    earlier = workshop.folder / CURVES
    if earlier.exists() and not any(read_metrics(folder) for folder in folders if folder.name in NETWORKS):
        shutil.copyfile(earlier, target)
    else:
        plot_curves(folders, target)


def unbundle(source: Path, workshop: Workshop) -> Path:
    """Take a bundled model up again: its tokenizer as it is, its networks to train on from there, whatever does not
    change what the transformer relies upon.

    Refuses networks of other shapes than the preset's, and a folder of runs that already holds some. A published dVAE
    must be the workshop's own image tokenizer.
    """
    folder, model = workshop.folder, load_bundled(source, torch.device("cpu"))
    if folder.exists() and any(folder.iterdir()):
        raise TrainingError(f"{folder} already holds runs; choose another --runs folder.")
    modules: dict[str, Any] = {"dvae": model.dvae, "transformer": model.transformer, "clip": model.reranker.clip}
    for stage, module in modules.items():
        wanted = getattr(workshop.preset, stage)
        if stage != "dvae":
            wanted = replace(wanted, vocab_size=model.tokenizer.vocab_size)
        if stage == "transformer" and wanted.phrases and module.config.sentence and not module.config.phrases:
            module = modules[stage] = told_phrases(module)
        if module.config != wanted:
            raise TrainingError(f"{source.name}'s {stage} is {module.config}, the preset's {wanted}.")
    if not workshop.preset.trains_dvae:
        _check_same_tokens(source, workshop)
        del modules["dvae"]
    modules["clip"] = named(modules["clip"], model.reranker.prototypes, workshop)
    folder.mkdir(parents=True, exist_ok=True)
    record = read_json(source / CONFIG).get("training", {})
    write_json(folder / RECORD, {stage: runs for stage, runs in record.items() if stage in (*modules, "decoder")})
    if (source / CURVES).exists():
        shutil.copyfile(source / CURVES, folder / CURVES)
    model.tokenizer.save(folder / "tokenizer.json")
    for stage, module in modules.items():
        (folder / stage).mkdir()
        for name in ("start", "best"):  # what training goes on from, and the best there is while it has not
            torch.save(module.state_dict(), folder / stage / f"{name}.pt")
    return folder


def told_phrases(transformer: Transformer) -> Transformer:
    """One that is told phrases, too, and takes what stands in a place at first as it takes what the whole text says."""
    learner = Transformer(replace(transformer.config, phrases=True))
    weights = transformer.state_dict()
    learner.load_state_dict({**weights, "phrase.weight": weights["sentence.weight"]})
    return learner


def named(clip: CLIP, prototypes: Prototypes | None, workshop: Workshop) -> NamedCLIP:
    """One that learns on: for each concept it begins with what pictures of it look like, where that is known."""
    torch.manual_seed(workshop.preset.schedules.clip.seed)
    learner = NamedCLIP(clip.config, len(workshop.art.concepts))
    weights = clip.state_dict()
    if prototypes is not None and prototypes.seen.shape == learner.proxies.shape:
        weights["proxies"] = prototypes.seen
    learner.load_state_dict({**learner.state_dict(), **weights})
    return learner


def _check_same_tokens(source: Path, workshop: Workshop) -> None:
    folder = workshop.published_folder
    theirs, ours = (read_json(each / CONFIG)["files"][WEIGHTS] for each in (source, folder))
    if theirs != ours:
        raise TrainingError(f"{source.name} was trained on another image tokenizer's tokens than {folder.name}'s")


def _config(model: BundledModel, workshop: Workshop, files: dict[str, str]) -> dict[str, Any]:
    spec = {name: value for name, value in vars(model.spec).items() if name != "sha256"}
    modules: dict[str, Any] = {"dvae": model.dvae, "transformer": model.transformer, "clip": model.reranker.clip}
    networks = {name: module.config.to_dict() for name, module in modules.items()}
    named: dict[str, Any] = {}
    if not workshop.preset.trains_dvae:
        published = workshop.published.spec
        named[IMAGE_TOKENIZER] = {"family": published.family, "name": published.name}
    return {
        "format": FORMAT,
        "spec": spec,
        "files": files,
        **networks,
        **named,
        "baseline_scores": list(model.reranker.baseline),
        "training": training_record(workshop),
    }


def _figures(workshop: Workshop) -> dict[str, Any] | None:
    path = workshop.folder / "evaluation.json"
    figures: dict[str, Any] | None = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    return figures
