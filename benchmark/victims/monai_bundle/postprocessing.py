"""Postprocessing of a bundle: what only turns logits into labels is harmless, all else is refused by name."""

from benchmark.errors import InputError
from benchmark.victims.monai_bundle.compositions import listed_transforms
from benchmark.victims.monai_bundle.configuration import OWN, BundleConfiguration
from benchmark.victims.monai_bundle.options import TransformOptions
from benchmark.victims.monai_bundle.sections import Section
from benchmark.victims.monai_bundle.transform_readers import READERS
from benchmark.victims.monai_bundle.transforms import InverseMode

_PREDICTION = "pred"
_OTHERS = {"image", "label"}  # what an evaluator has beside its predictions
_FILES = {"SaveImage", "ToDevice", "SelectItems", "DeleteItems", "CopyItems"}
_TYPES = {"EnsureType", "ToTensor"}
_CURE = f"take it out of the file and give victim.postprocess if that has it, else {OWN}"


def read_postprocessing(
    configuration: BundleConfiguration, section: Section | None, outputs: int, head: str
) -> InverseMode:
    """How predictions get the size of their pictures.

    Raises InputError for a step that changes predictions, or that reads the outputs otherwise than the head does.
    """
    inverse: InverseMode = "bilinear"
    discrete = False  # whether the values are labels already
    for transform in [] if section is None else listed_transforms(configuration, section):
        if transform.keys and _OTHERS.issuperset(transform.keys):
            continue
        where = f"{transform.place}: {transform.target}"
        options = TransformOptions(configuration, where, transform.arguments, keys=transform.keys, key=_PREDICTION)
        name = transform.base(("Activations", "AsDiscrete", "Invert", *_FILES, *_TYPES))
        if name in _FILES:
            continue
        if name == "Activations":
            _check_activations(options, outputs, head)
        elif name == "AsDiscrete":
            discrete = True
            _check_labels(options, outputs)
        elif name == "Invert":
            options.choice("post_func", None, (None,), per_key=True)
            options.harmless("transform", "orig_keys", "orig_meta_keys", "to_tensor", "device")
            nearest = options.flag("nearest_interp", True, per_key=True)
            if discrete and not nearest:
                raise options.refusal("nearest_interp", nearest, "mixes labels; only true can be done after AsDiscrete")
            inverse = "nearest" if nearest else "own"
        elif name in _TYPES and discrete:
            continue
        elif name in _TYPES:
            READERS[name](options, outputs)
        else:
            raise InputError(f"{configuration.file}: {where}: not supported; {_CURE}")
        options.finish()
    return inverse


def _check_activations(options: TransformOptions, outputs: int, head: str) -> None:
    options.choice("other", None, (None,), per_key=True)
    options.choice("dim", 0, (0,))
    _check_largest(options, options.flag("softmax", per_key=True), outputs)
    if options.flag("sigmoid", per_key=True) and head == "softmax":
        cure = "victim.head=multilabel" if outputs > 1 else "victim.head=sigmoid"
        raise InputError(f"{options.where}: sigmoid, outputs are independent of each other; set {cure}")


def _check_labels(options: TransformOptions, outputs: int) -> None:
    _check_largest(options, options.flag("argmax", per_key=True), outputs)
    options.choice("rounding", None, (None,), per_key=True)
    options.choice("dim", 0, (0,))
    options.harmless("to_onehot", "keepdim", "dtype")
    threshold = options.value("threshold", per_key=True)
    if threshold not in (None, False, True, 0.5):
        raise InputError(
            f"{options.where}: threshold={threshold}; take it out of the file and give victim.threshold={threshold}"
        )


def _check_largest(options: TransformOptions, largest: bool, outputs: int) -> None:
    if largest and outputs == 1:
        raise InputError(f"{options.where}: takes the class of the largest output; set victim.head=softmax")
