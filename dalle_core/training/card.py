"""The model card that goes with bundled weights: what they learned from, cost, and can and cannot do."""

from typing import Any

from dalle_core.checkpoints import read_json
from dalle_core.families.catalogue import MODIFIED_MIT
from dalle_core.training.art import NAMES, SOURCES
from dalle_core.training.loop import read_machine, read_metrics
from dalle_core.training.naming import NamedCLIP
from dalle_core.training.workshop import Workshop

CREDITS = {
    "noto": "Google",
    "twemoji": "Twitter, Inc. and other contributors",
    "fluent flat": "Microsoft",
    "fluent": "Microsoft",
    "firefox": "Mozilla",
    "blob": "Google",
    "emojione": "EmojiOne / EmojiTwo contributors",
    "streamline": "Streamline",
}


RECORD = "record.json"  # in the folder of runs: how a model that was taken up had been trained before
LIMITS = (
    "Up to four objects on a plain, graded or simple ground: of one kind, or listed, which its pictures never had "
    "together, so that each is painted by itself; or two, where the prompt says plainly how they stand (beside, above,"
    " left of …). What is turned to a colour it seldom has loses its details, and a small thing alone is rough. It "
    "does not write; thin lines and small faces blur; flags, clock faces, arrows and symbols were left out. It knows "
    "the styles of its art and no others, and words outside its captions, and a list of everyday ones, mean little to "
    "it. Emoji carry the conventions of their makers."
)
OWN_LIMITS = "It knows what its pictures and captions show and little else."


def model_card(workshop: Workshop, name: str, figures: dict[str, Any] | None) -> str:
    preset, is_open = workshop.preset, workshop.art.origin == "open"
    subject = "A small DALL·E for emblems, icons and emoji" if is_open else "A small DALL·E of its author's pictures"
    licence = "Apache-2.0, trained from scratch by this project" if is_open else "their author's, who trained them"
    return "\n".join([
        f"# {name}",
        "",
        f"{subject}: {preset.dvae.image_size} px, "
        f"{preset.transformer.rows}×{preset.transformer.cols} tokens of {preset.dvae.codebook_size:,} codes, prompts "
        "in English and Chinese. It holds a discrete VAE, a decoder transformer, and the CLIP that reranks candidates.",
        "",
        f"Weights: {licence}. What it paints is yours, as far as the weights go.",
        "",
        *([] if preset.trains_dvae else _published_dvae(workshop)),
        "## What it learned from",
        "",
        *(_data(workshop) if is_open else _own_data(workshop)),
        "",
        "## What it cost",
        "",
        *_cost(workshop),
        "",
        "![loss curves](curves.png)",
        "",
        "## What it can do",
        "",
        *(_figures(figures) if figures else ["Not yet measured."]),
        "",
        "## Limits",
        "",
        LIMITS if is_open else OWN_LIMITS,
        "",
    ])  # fmt: skip


def _published_dvae(workshop: Workshop) -> list[str]:
    spec, terms = workshop.published.spec, MODIFIED_MIT
    return [f"The discrete VAE is not of this training: it is {spec.name}, by OpenAI, as it was published, under "
            f"[{spec.licence}]({terms.url}). {terms.terms}", ""]  # fmt: skip


def _data(workshop: Workshop) -> list[str]:
    art = workshop.art
    lines = ["| set | style word | pictures used | by | licence |", "|---|---|---|---|---|"]
    used = [art.rows[i].style for i in art.where("train")]
    lines += [
        f"| {source.package} {source.version} | {source.style} | {used.count(source.style)} | "
        f"{CREDITS[source.style]} | {source.licence} |"
        for source in SOURCES
        if source.style in used
    ]
    lines += ["", f"Names and synonyms: {NAMES.package} {NAMES.version} ({NAMES.licence}). Held out: "
              f"{len(art.where('heldout'))} (concept, style) pairs, fixed by a hash of their names."]  # fmt: skip
    return lines


def _own_data(workshop: Workshop) -> list[str]:
    art = workshop.art
    return [f"{len(art.where('train'))} pictures of its author's; {len(art.where('heldout'))} more were held out."]


def _cost(workshop: Workshop) -> list[str]:
    lines = ["| network | parameters | steps | batch | minutes | on |", "|---|---|---|---|---|---|"]
    for stage, stretches in training_record(workshop).items():
        network: Any = workshop.build(stage)
        network = network.plain() if isinstance(network, NamedCLIP) else network  # what is bundled
        network = network.decoder if stage == "decoder" else network
        count = sum(p.numel() for p in network.parameters())
        steps, batches = (" + ".join(f"{stretch[name]:g}" for stretch in stretches) for name in ("steps", "batch"))
        minutes = " + ".join(f"{60 * stretch['hours']:.1f}" for stretch in stretches)
        machines = ", ".join(dict.fromkeys(str(stretch.get("machine") or "CPU") for stretch in stretches))
        lines.append(f"| {stage} | {count / 1e6:.1f} M | {steps} | {batches} | {minutes} | {machines} |")
    return [*lines, "", "Judge and grader measure the model in the figures below and are not part of the bundle."]


def training_record(workshop: Workshop) -> dict[str, list[dict[str, Any]]]:
    """By network, each stretch of training: what the model had behind it when it was taken up, then this run's."""
    path = workshop.folder / RECORD
    earlier: dict[str, list[dict[str, Any]]] = read_json(path) if path.exists() else {}
    record: dict[str, list[dict[str, Any]]] = {}
    for stage in workshop.preset.stages:
        stretches, folder = list(earlier.get(stage, [])), workshop.folder / stage
        if rows := read_metrics(folder):
            batch = getattr(workshop.preset.schedules, stage).batch
            stretches.append({"steps": rows[-1]["step"], "batch": batch, "hours": round(rows[-1]["seconds"] / 3600, 4),
                              "machine": read_machine(folder)})  # fmt: skip
        if stretches:
            record[stage] = stretches
    return record


def _figures(figures: dict[str, Any]) -> list[str]:
    return [
        "| figure | value |",
        "|---|---|",
        *(f"| {row['name']} | {row['text']} |" for row in figures["rows"]),
        "",
        figures["how"],
    ]
