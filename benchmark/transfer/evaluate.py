"""Rows from the saved pictures of a run and from other models."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from benchmark.attacks.base import image_seed, norms
from benchmark.engine.model import AttackedModel
from benchmark.engine.precision import frozen
from benchmark.errors import InputError
from benchmark.evaluation.case import Case
from benchmark.images.image_files import load_picture
from benchmark.images.output_window import window_of
from benchmark.images.quantisation import Quantizer
from benchmark.past_runs.past_run import PastRun
from benchmark.results.transfer_matrix import PREDICTIONS
from benchmark.runs.tables import group_rows
from benchmark.transfer.models import Model
from benchmark.transfer.noise_control import noise_like

# Columns of the run's rows that are copied, and those that are copied under the prefix source_.
_COPIED = (
    *("attack", "family", "norm", "equal_norm", "eps", "targeted", "data", "split", "labels", "id", "group", "target"),
    *("judge", "seed", "height", "width", "classes", "background", "overlapping", "class_names", "valid_pixels"),
    *("target_pixels", "target_class_pixels"),
)
_OF_SOURCE = ("success8", "success_clean", "adv8_iou_target", "adv8_iou_truth")


@dataclass(frozen=True)
class Evaluation:
    """The pictures of one run, evaluated on several models.

    Attributes:
        run: name of the evaluation, in rows.
        past_run: the run, checked.
        source_victim: what rows call its model.
        models: what rows call them -> models on the device that predicts.
    """

    run: str
    past_run: PastRun
    source_victim: str
    models: Mapping[str, Model]

    def rows(self) -> Iterator[list[dict[str, Any]]]:
        """Rows of `results.transfer_matrix.TRANSFER_SCHEMA`, a batch of pictures and a model at a time.

        Raises:
            InputError: a picture that is not the one its row was measured on.
        """
        by_id = group_rows(self.past_run.rows, "id")
        ids, at_once = sorted(by_id), self.past_run.config["engine"]["slots"]  # as the run attacked them
        exact = self.past_run.exact
        with ExitStack() as stack:
            for model in self.models.values():
                stack.enter_context(frozen(model.victim, torch.float64 if exact else torch.float32))
            networks = {label: AttackedModel(model.victim, 64 if exact else 32) for label, model in self.models.items()}
            for start in range(0, len(ids), at_once):
                cases = list(self.past_run.cases(ids[start : start + at_once]))
                yield from self._batch(cases, [row for case in cases for row in by_id[case.id]], networks)

    def _batch(
        self, cases: Sequence[Case], rows: Sequence[Mapping[str, Any]], networks: Mapping[str, AttackedModel]
    ) -> Iterator[list[dict[str, Any]]]:
        images = torch.stack([case.image for case in cases])
        clean = {label: _predict(network, images) for label, network in networks.items()}
        place = {case.id: index for index, case in enumerate(cases)}
        for members in group_rows(rows, "attack").values():
            indices = [place[row["id"]] for row in members]
            attacked = [cases[index] for index in indices]
            files = torch.stack([self._picture(row, case) for row, case in zip(members, attacked, strict=True)])
            noise = _control(members, files, images[indices], self.past_run.quantizer)
            for label, network in networks.items():
                preds = (clean[label][indices], _predict(network, files), _predict(network, noise))
                yield [self._row(label, *parts) for parts in zip(members, attacked, files, noise, *preds, strict=True)]

    def _picture(self, row: Mapping[str, Any], case: Case) -> Tensor:
        path = self.past_run.run.adversarial(row["attack"], row["id"])
        picture = load_picture(path, inside=self.past_run.folder)
        if picture.shape != case.image.shape or abs(_norm(picture - case.image, 2) - row["adv8_l2"]) > 1e-4:
            raise InputError(
                f"{path}: is not the picture its row was measured on; restore it or attack the image again"
            )
        return picture

    def _row(
        self, label: str, row: Mapping[str, Any], case: Case, file: Tensor, noise: Tensor, *preds: Tensor
    ) -> dict[str, Any]:
        past_run, model = self.past_run, self.models[label]
        kind = (past_run.data.classes, past_run.data.background)
        # A model with a smaller output is judged where it predicts.
        inside = window_of(model.victim, *case.truth.shape).inside((*case.truth.shape,))
        judged = replace(case, valid=case.valid & inside, target_valid=case.target_valid & inside)
        scores, success = dict[str, Any](), {}
        for prefix, predicted in zip(PREDICTIONS, preds, strict=True):
            scores |= {f"{prefix}_{name}": value for name, value in judged.scores(predicted, *kind).items()}
            success[prefix] = judged.success(past_run.judge, predicted, row["targeted"], *kind)
        return {
            **{name: row[name] for name in _COPIED},
            **{f"source_{name}": row[name] for name in _OF_SOURCE},
            "run": self.run,
            "source_run": past_run.name,
            "source_victim": self.source_victim,
            "source_weights_sha256": past_run.weights_sha256,
            "victim": label,
            "weights_sha256": model.weights_sha256,
            "white_box": model.weights_sha256 == past_run.weights_sha256,
            "data_fingerprint": past_run.fingerprint,
            "success8": success["adv8"],
            "success_clean": success["clean"],
            "noise8_success": success["noise8"],
            "l2": _norm(file - case.image, 2),
            "linf": _norm(file - case.image, "inf"),
            "noise8_l2": _norm(noise - case.image, 2),
            "noise8_linf": _norm(noise - case.image, "inf"),
            **scores,
            "valid_pixels": int(judged.valid.sum()),
        }


def _control(rows: Sequence[Mapping[str, Any]], files: Tensor, images: Tensor, quantizer: Quantizer) -> Tensor:
    """Noise as files, of the norm the attack is about; attacks about sparse changes are compared in L2."""
    seeds = [image_seed(row["seed"], f"noise like {row['attack']}", row["id"]) for row in rows]
    return noise_like(files, images, torch.tensor(seeds), "inf" if rows[0]["norm"] == "inf" else 2, quantizer)


def _predict(network: AttackedModel, images: Tensor) -> Tensor:
    """Classes (B, H, W) on the CPU, 0 where the model does not predict."""
    with torch.no_grad():
        preds = network.classes(network(images.to(network.device), exact=True)).cpu()
    size = (*images.shape[-2:],)
    return window_of(network.model, *size).place(preds, size, fill=0)


def _norm(delta: Tensor, norm: Any) -> float:
    return norms(delta.double()[None], norm).item()
