"""The columns of a run's tables: one row per attacked image, and one per step of its trace."""

import pyarrow as pa

PREDICTIONS = ("clean", "adv", "adv8")
"""The clean image, the float32 result, and the 8-bit file."""

NORMS = ("l0", "l1", "l2", "linf", "rms", "psnr", "ssim", "adv8_l1", "adv8_l2", "adv8_linf", "adv8_psnr")
"""How visible the perturbation is: of the float32 result, and of the 8-bit file where rounding can matter."""

CLASS_SCORES = ("class_iou_target", "class_iou_truth")
"""Lists of one IoU per class, or per label if classes are subsets; null where neither map has it."""

COLD_COLUMNS = tuple(f"cold_start_{name}" for name in ("steps", "passes", "success8", "iou_target", "iou_truth"))
"""What became of an image that was also started cold, beside its warm start; scores are those of the 8-bit image."""

_SCORES = ("iou_target", "iou_truth", "pixel_acc_target", "pixel_acc_truth", "dice_truth")


def _columns(kind: pa.DataType, *names: str) -> list[pa.Field]:
    return [pa.field(name, kind) for name in names]


SCHEMA = pa.schema(
    [
        *_columns(
            pa.string(),
            "run",
            "attack",
            "family",
            "victim",
            "data",
            "split",
            "labels",
            "id",
            "group",
            "target",
            "judge",
        ),
        *_columns(pa.string(), "norm", "equal_norm", "start_from"),
        *_columns(pa.float64(), "eps"),
        *_columns(pa.bool_(), "targeted", "stop"),
        *_columns(pa.int64(), "seed", "height", "width", "classes", "background", "valid_pixels", "skipped"),
        *_columns(pa.int64(), "target_draw", "target_draws", "target_pixels"),
        *_columns(pa.list_(pa.int64()), "target_class_pixels"),
        *_columns(pa.bool_(), "target_too_close"),
        *_columns(pa.float64(), "iou_target_truth"),
        *_columns(pa.bool_(), "success", "success8", "success_clean", "nonfinite_gradient", "at_floor"),
        *_columns(pa.int64(), "steps", "kept_step", "forwards", "backwards", "passes", "success_passes"),
        *_columns(pa.int64(), "zero_gradients", "passes_saved", *COLD_COLUMNS[:2]),
        *_columns(pa.bool_(), COLD_COLUMNS[2]),
        *_columns(pa.float64(), *COLD_COLUMNS[3:]),
        *_columns(pa.float64(), "seconds", *NORMS, *(f"{p}_{score}" for p in PREDICTIONS for score in _SCORES)),
        *_columns(pa.list_(pa.int64()), *(f"{p}_confusion_truth" for p in PREDICTIONS)),
        *_columns(pa.bool_(), "overlapping"),
        *_columns(pa.string(), "class_names"),
        *_columns(pa.list_(pa.float64()), *(f"{p}_{score}" for p in PREDICTIONS for score in CLASS_SCORES)),
        *_columns(pa.string(), "adv8_sha256", "pictures_sha256", "weights_sha256", "data_fingerprint"),
        *_columns(pa.string(), "point_sha256", "start_sha256"),
    ]
)
"""One row per attacked image and attack. Confusion tables are K×K counts, row-major, [labelled, predicted]; with
`background` (null: every class is foreground) every score to the truth can be recomputed from them. Where the data have
labels that overlap (`overlapping`), the classes are the subsets of labels, see `label_subsets`, and scores are means
over labels. `class_names`, a JSON list, are the names of what `*_class_iou_*` are of: all classes, or the labels.

`target` is the kind of target and, after a colon, the very map: the draw number `target_draw` (from 1) of the
`target_draws` that were made until one was neither too close to the truth nor to the clean prediction; where none was
(`target_too_close`), it is the least similar of them. `target_pixels` are its foreground pixels (0: erased),
`target_class_pixels` those of each class, or label, that `class_names` names,
`iou_target_truth` is its IoU to the truth, `clean_iou_target` to the clean prediction.

`split` is the image's own. `labels` says what the truth is: "files", masks of the data set, or "predicted", the
victim's prediction of the clean image, with which `clean_iou_truth` is 1 by definition. `skipped` is how many images of
the attacked split were left out because their files cannot be used.

`family` is the attack's name without its budget; `norm` ("1", "2", "inf") the one it is about, `eps` its budget in that
norm (null: none), `equal_norm` the attack whose norm it copies image by image; `stop` says whether it ends an image at
its first confirmed success. `passes` are forwards + backwards,
`success_passes` those spent when the first success was confirmed (null: never). `adv8_sha256` is of the bytes of the
saved file, in hexadecimal; `pictures_sha256` is of the row's other pictures, see `row_files`. `weights_sha256` and
`data_fingerprint` identify victim and data (null: unknown).

`start_from` is the attack from whose float result the image starts, that at the budget before or the one before
in a chain (null: it starts as the rule says); `start_sha256` is of that point, see `points`, and `point_sha256` of the
row's own result, where another attack starts from it. `at_floor`: the start could not be improved, so that no step was
taken and the row is that of the start, predicted again. `passes_saved` are those that a start as the rule says would
have needed more, had it taken all of its steps. `cold_start_*` is what became of such a start; null for images that
were not started so, too."""

CLAIMED = (
    *("success", "nonfinite_gradient", "steps", "kept_step", "forwards", "backwards", "passes", "success_passes"),
    *("zero_gradients", "seconds", *(name for name in NORMS if not name.startswith("adv8_"))),
    *("at_floor", "passes_saved", *COLD_COLUMNS),
    *(f"adv_{name}" for name in (*_SCORES, *CLASS_SCORES, "confusion_truth")),
)
"""Columns of the float32 result and of what it cost. No file holds that result, so that they are what the run claims:
they can be held against bounds, and computed again only by attacking the image again. Traces are claimed, too."""

CLAIMED_NOTE = (
    "Steps, passes, seconds and float32 results (all that does not say 8-bit or clean) cannot be computed again from "
    "the saved files; `verify --rerun N` attacks N images again."
)
"""For tables and pages that show such columns."""

TRACE_SCHEMA = pa.schema(
    [
        *_columns(pa.string(), "attack", "id"),
        *_columns(pa.int64(), "step"),
        *_columns(pa.float64(), "iou", "pixel_acc", "l2", "linf", "loss"),
    ]
)
"""One row per image and kept step; iou and pixel_acc are to the labels the rule was given. What a rule reports of its
own, such as a multiplier, are further columns."""
