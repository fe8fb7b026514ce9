"""Training commands, one per stage; see `python -m sam_widget.learn --help`."""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from sam_widget.errors import SamWidgetError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m sam_widget.learn", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    scenes = commands.add_parser("scenes", help="draw a contact sheet of rendered scenes and their regions")
    scenes.add_argument("out", type=Path, help="PNG to write")
    scenes.add_argument("--seed", type=int, default=0)
    scenes.add_argument("--count", type=int, default=12)
    scenes.add_argument("--size", type=int, default=256)
    scenes.set_defaults(run=_scenes)

    gathering = commands.add_parser("gather", help="build a pack of photos with human masks from clones of its sources")
    gathering.add_argument("clones", type=Path, help="folder with clones of the repositories in `gather.SOURCES`")
    gathering.add_argument("pack", type=Path, help="folder to write train/ and val/ into")
    gathering.set_defaults(run=_gather)

    train = commands.add_parser("train", help="train the embedded model, or resume from FOLDER/checkpoint.pt")
    train.add_argument("folder", type=Path, help="where checkpoint.pt and log.csv are kept")
    train.add_argument("--cache", type=Path, default=Path("scenes"), help="where rendered scenes are kept")
    train.add_argument("--photos", type=Path, help="photos with human masks: a pack (see `gather`), or a COCO file")
    train.add_argument("--start", type=Path, help="weights (safetensors) to start from instead of random ones")
    train.add_argument("--device", default="cpu")
    train.add_argument("--workers", type=int, default=1, help="processes that render")
    train.add_argument("--threads", type=int, help="threads that compute")
    _add_options(train, _training())
    train.set_defaults(run=_train)

    scores = commands.add_parser("scores", help="train only what predicts the IoU of masks, on answers computed once")
    scores.add_argument("weights", type=Path, help="exported weights of tiny")
    scores.add_argument("out", type=Path)
    scores.add_argument("--photos", type=Path, required=True, help="photos with human masks, as for `train`")
    scores.add_argument("--cache", type=Path, default=Path("scenes"), help="where rendered scenes are kept")
    scores.add_argument("--threads", type=int, help="threads that compute")
    _add_options(scores, _scoring())
    scores.set_defaults(run=_scores)

    compare = commands.add_parser(
        "compare", help="train and measure several networks, or one network with parts left out; resumes an earlier run"
    )
    compare.add_argument("folder", type=Path, help="folder of the variants' runs")
    compare.add_argument("--cache", type=Path, default=Path("scenes"), help="where rendered scenes are kept")
    compare.add_argument(
        "--networks", nargs="+", metavar="NETWORK", help="default: those that differ only in the trunk"
    )
    compare.add_argument(
        "--ablation",
        nargs="*",
        metavar="NAME",
        help="compare ablations of scenes and training instead of networks, such as 'no photos' (default: all)",
    )
    compare.add_argument("--photos", type=Path, help="folder in the layout that `evaluate` reads")
    compare.add_argument("--unseen", type=int, default=30, help="scenes to measure on")
    compare.add_argument("--device", default="cpu")
    compare.add_argument("--workers", type=int, default=0, help="processes that render")
    compare.add_argument("--threads", type=int, help="threads that compute")
    _add_options(compare, _budget())
    compare.set_defaults(run=_compare)

    pretrain = commands.add_parser(
        "pretrain", help="pre-train a masked autoencoder, or resume from FOLDER/checkpoint.pt"
    )
    pretrain.add_argument("folder", type=Path, help="where checkpoint.pt and log.csv are kept")
    pretrain.add_argument("--cache", type=Path, default=Path("scenes"), help="where rendered scenes are kept")
    pretrain.add_argument("--start", type=Path, help="weights (safetensors) to start from instead of random ones")
    pretrain.add_argument("--device", default="cpu")
    pretrain.add_argument("--workers", type=int, default=0, help="processes that cut and recolour")
    pretrain.add_argument("--threads", type=int, help="threads that compute")
    _add_options(pretrain, _pretrain_defaults())
    pretrain.add_argument("--norm-pix-loss", action="store_true", help="predict pixels standardised per patch")
    pretrain.set_defaults(run=_pretrain)

    export = commands.add_parser("export", help="write the averaged weights of a checkpoint as safetensors")
    export.add_argument("checkpoint", type=Path)
    export.add_argument("out", type=Path)
    export.add_argument(
        "--encoder",
        action="store_true",
        help="for a pre-training run: write a model to start from, with its encoder, instead of the masked autoencoder",
    )
    export.set_defaults(run=_export)

    average = commands.add_parser("average", help="average several exported weight files of one network")
    average.add_argument("weights", type=Path, nargs="+")
    average.add_argument("out", type=Path)
    average.set_defaults(run=_average)

    reconstruct = commands.add_parser("reconstruct", help="compare a masked autoencoder with inpainting")
    reconstruct.add_argument("photos", type=Path, nargs="*", help="or folders of them (default: the held-out ones)")
    reconstruct.add_argument("--model", default="mae", help="name or checkpoint (default: mae)")
    reconstruct.add_argument("--seeds", type=int, default=5, help="masks an image (default: 5)")
    reconstruct.add_argument("--out", type=Path, help="PNG to draw reconstructions into")
    reconstruct.set_defaults(run=_reconstruct)

    evaluate = commands.add_parser("evaluate", help="measure models and classical baselines on photos with human masks")
    evaluate.add_argument("folder", type=Path, help="with images/NAME.jpg and masks/NAME_0.png, NAME_1.png, ...")
    evaluate.add_argument("--model", action="append", help="name or checkpoint; may be repeated (default: tiny)")
    evaluate.add_argument(
        "--rivals",
        nargs="*",
        metavar="RIVAL",
        help="disc, grabcut, felzenszwalb, random-walker; `--rivals` alone for none (default: all)",
    )
    evaluate.add_argument(
        "--clicks",
        type=int,
        help="maximum clicks per mask; 20 are needed to count NoC (default: 20 for models, 5 for the slower rivals)",
    )
    evaluate.add_argument(
        "--out", type=Path, help="folder for samples.csv, reliability.png, failures-METHOD.png and best-METHOD.png"
    )
    evaluate.set_defaults(run=_evaluate)

    parsed = parser.parse_args(arguments)
    try:
        parsed.run(parsed)
    except SamWidgetError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _needs_extra() -> int:
    print(
        'error: this needs OpenCV, scikit-image and scikit-learn; install them with `pip install "sam-widget[learn]"`',
        file=sys.stderr,
    )
    return 1


def _add_options(parser: argparse.ArgumentParser, defaults: dict[str, Any]) -> None:
    for name, default in defaults.items():
        kind, default_text = (float, "the network's own") if default is None else (type(default), default)
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help=f"default {default_text}")


def _given(options: argparse.Namespace, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}


def _training() -> dict[str, Any]:
    from sam_widget.learn.train_config import TrainConfig

    return dataclasses.asdict(TrainConfig())


def _budget() -> dict[str, Any]:
    from sam_widget.learn.ablate import BUDGET

    return {name: value for name, value in dataclasses.asdict(BUDGET).items() if name != "network"}


def _scoring() -> dict[str, Any]:
    from sam_widget.learn.score_head import ScoreConfig

    return dataclasses.asdict(ScoreConfig())


def _pretrain_defaults() -> dict[str, int | float]:
    from sam_widget.learn.pretrain import PretrainConfig

    default = PretrainConfig()
    values = {**dataclasses.asdict(default.mae), **dataclasses.asdict(default)}
    return {name: value for name, value in values.items() if type(value) in (int, float)}


def _scenes(options: argparse.Namespace) -> None:
    from PIL import Image

    from sam_widget.learn.scenes.scenes import contact_sheet, render_scene

    drawn = [render_scene(options.seed + k, size=options.size) for k in range(options.count)]
    Image.fromarray(contact_sheet(drawn)).save(options.out)


def _gather(options: argparse.Namespace) -> None:
    from sam_widget.learn.gather import gather

    for name, (photos, masks) in gather(options.clones, options.pack).items():
        print(f"{name}: {photos} photos, {masks} masks")


def _train(options: argparse.Namespace) -> None:
    import torch

    from sam_widget.learn.photo_masks import PhotoMasks
    from sam_widget.learn.train import Trainer
    from sam_widget.learn.train_config import TrainConfig

    if options.threads:
        torch.set_num_threads(options.threads)
    given = _given(options, _training())
    checkpoint = options.folder / "checkpoint.pt"
    if checkpoint.exists():
        trainer = Trainer.resume(checkpoint, device=options.device, **given)
        print(f"resuming at step {trainer.step} of {trainer.config.steps}")
    else:
        trainer = Trainer(TrainConfig(**given), start=options.start, device=options.device)
    photos = PhotoMasks(options.photos, cache=options.cache / "labels") if options.photos else None
    trainer.run(options.folder, options.cache, photos=photos, workers=options.workers)


def _scores(options: argparse.Namespace) -> None:
    import torch

    from sam_widget.learn.score_head import ScoreConfig, train_scores

    if options.threads:
        torch.set_num_threads(options.threads)
    config = ScoreConfig(**_given(options, _scoring()))
    known, before, after = train_scores(
        options.weights, options.out, config, photos=options.photos, cache=options.cache
    )
    print(f"{options.out}: {known} answers, scores off by {after:.3f} instead of {before:.3f}")


def _compare(options: argparse.Namespace) -> None:
    import torch

    from sam_widget.learn.ablate import ABLATIONS, BUDGET, NETWORKS, compare, table
    from sam_widget.learn.evaluate.evaluate import samples

    if options.threads:
        torch.set_num_threads(options.threads)
    if options.ablation is None:
        variants = {name: {"network": name} for name in options.networks or NETWORKS}
    elif unknown := [name for name in options.ablation if name not in ABLATIONS]:
        raise SamWidgetError(f"there is no ablation {unknown[0]!r}; expected some of {', '.join(ABLATIONS)}")
    else:
        variants = {name: ABLATIONS[name] for name in options.ablation or ABLATIONS}
    results = compare(
        options.folder,
        options.cache,
        variants=variants,
        budget=dataclasses.replace(BUDGET, **_given(options, _budget())),
        scenes=options.unseen,
        photos=list(samples(options.photos)) if options.photos else (),
        workers=options.workers,
        device=options.device,
    )
    print(table(results))


def _pretrain(options: argparse.Namespace) -> None:
    import torch

    from sam_widget.learn.pretrain import PretrainConfig, Pretrainer

    if options.threads:
        torch.set_num_threads(options.threads)
    given = _given(options, _pretrain_defaults())
    default = PretrainConfig()
    sizes = {name: given.pop(name) for name in list(given) if hasattr(default.mae, name)}
    checkpoint = options.folder / "checkpoint.pt"
    if checkpoint.exists():
        if sizes or options.norm_pix_loss:
            raise SamWidgetError(f"{checkpoint} belongs to a run already begun; resume it without model options")
        run = Pretrainer.resume(checkpoint, device=options.device, **given)
        print(f"resuming at step {run.step} of {run.config.steps}")
    else:
        mae = dataclasses.replace(default.mae, **sizes, norm_pix_loss=options.norm_pix_loss)
        run = Pretrainer(PretrainConfig(mae=mae, **given), start=options.start, device=options.device)
    run.run(options.folder, options.cache, workers=options.workers)


def _export(options: argparse.Namespace) -> None:
    from sam_widget.learn.pretrain import Pretrainer
    from sam_widget.learn.train import Trainer
    from sam_widget.model.config import TINY_VIT

    run: Pretrainer | Trainer
    if Pretrainer.wrote(options.checkpoint):
        run = Pretrainer.resume(options.checkpoint)
        if options.encoder:
            run.export_encoder(options.out, TINY_VIT)
        else:
            run.export(options.out)
    else:
        run = Trainer.resume(options.checkpoint)
        run.export(options.out)
    print(f"{options.out}: step {run.step}, {run.seconds / 3600:.2f} hours")


def _average(options: argparse.Namespace) -> None:
    from sam_widget.learn.checkpoints import mean_of_weights

    mean_of_weights(options.weights, options.out)
    print(f"{options.out}: the mean of {len(options.weights)}")


def _reconstruct(options: argparse.Namespace) -> None:
    from PIL import Image

    from sam_widget.image.reading import to_rgb
    from sam_widget.learn.evaluate.inpainting import compare, sheet, table
    from sam_widget.learn.photos import held_out
    from sam_widget.model.mae_zoo import load_mae

    model = load_mae(options.model)
    files = [file for path in options.photos for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    photos = {file.stem: to_rgb(file) for file in files} if files else held_out()
    print(table(compare(model, photos, seeds=range(options.seeds)), detailed=len(photos) <= 8))
    if options.out:
        Image.fromarray(sheet(model, photos)).save(options.out)


def _evaluate(options: argparse.Namespace) -> None:
    from sam_widget.learn.evaluate import report
    from sam_widget.learn.evaluate.baselines import RIVALS
    from sam_widget.learn.evaluate.evaluate import CAP, REPORTED, Figures, Method, ModelMethod, evaluate, samples
    from sam_widget.predictor.predictor import Predictor

    wanted = list(RIVALS) if options.rivals is None else options.rivals
    if unknown := [name for name in wanted if name not in RIVALS]:
        raise SamWidgetError(f"there is no rival {unknown[0]!r}; expected some of {', '.join(RIVALS)}")
    data = list(samples(options.folder))
    photos = len({id(sample.image) for sample in data})
    methods: list[Method] = [ModelMethod(Predictor(name)) for name in options.model or ["tiny"]]
    methods += [RIVALS[name]() for name in wanted]
    results: list[Figures] = []
    for method in methods:
        clicks = options.clicks or (CAP if isinstance(method, ModelMethod) else REPORTED[-1])
        results.append(evaluate(method, data, clicks=clicks, progress=_progress(method.name)))
        if options.out:  # again after each method: the slowest take half an hour
            report.write(results, options.out)
    print(f"mean IoU, {len(data)} masks on {photos} photos\n")
    print(report.table(results))
    print(f"\nwith 95% intervals, bootstrapped over the photos\n\n{report.intervals(results)}")


def _progress(name: str) -> Callable[[int, int], None]:
    def show(done: int, total: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{name} {done}/{total}", end="\n" if done == total else "", file=sys.stderr, flush=True)

    return show


if __name__ == "__main__":
    sys.exit(main() if all(map(importlib.util.find_spec, ("cv2", "skimage", "sklearn"))) else _needs_extra())
