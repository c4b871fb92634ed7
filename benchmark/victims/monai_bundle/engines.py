"""A bundle's evaluator, data loader and data set: each argument is followed, harmless, or refused by name."""

from collections.abc import Collection, Mapping
from typing import Any

from benchmark.errors import InputError
from benchmark.victims.adapters import import_extra
from benchmark.victims.monai_bundle.configuration import OWN, BundleConfiguration

_FOLLOWED = {"network", "inferer", "postprocessing", "val_data_loader", "val_handlers", "mode", "prepare_batch"}
_EVALUATOR = {"device", "epoch_length", "non_blocking", "key_val_metric", "additional_metrics", "metric_cmp_fn"}
_EVALUATOR |= {"event_names", "event_to_attr", "decollate", "amp", "amp_kwargs", "compile", "compile_kwargs"}
_PREPARED = (None, "$monai.engines.default_prepare_batch", "$monai.engines.utils.default_prepare_batch")
_CHANGING = {"PostProcessing", "ParamSchedulerHandler"}  # handlers that change what is predicted
_LOADERS = ("DataLoader", "ThreadDataLoader")
_LOADER = {"dataset", "batch_size", "shuffle", "num_workers", "sampler", "batch_sampler", "pin_memory", "drop_last"}
_LOADER |= {"timeout", "worker_init_fn", "multiprocessing_context", "generator", "prefetch_factor", "in_order"}
_LOADER |= {"persistent_workers", "pin_memory_device", "buffer_size", "buffer_timeout", "use_thread_workers", "repeats"}
_DATASETS = ("Dataset", "CacheDataset", "PersistentDataset", "SmartCacheDataset", "LMDBDataset", "CacheNTransDataset")
_DATASET = {"data", "transform", "cache_num", "cache_rate", "num_workers", "progress", "copy_cache", "as_contiguous"}
_DATASET |= {"hash_as_key", "hash_func", "hash_transform", "runtime_cache", "cache_dir", "reset_ops_id", "db_name"}
_DATASET |= {"pickle_module", "pickle_protocol", "lmdb_kwargs", "track_meta", "weights_only", "replace_rate", "seed"}
_DATASET |= {"num_init_workers", "num_replace_workers", "shuffle", "cache_n_trans"}


def evaluator_arguments(configuration: BundleConfiguration, place: str) -> Mapping[str, Any] | None:
    """What the evaluator is given; None: it is switched off. Raises InputError for what cannot be done."""
    made = configuration.component(f"@{place}", place)
    if made is None:
        return None
    target, arguments = made
    if target != "SupervisedEvaluator":
        raise InputError(f"{configuration.file}: {place}._target_={target}: not supported; {OWN}")
    empty = {name for name, value in arguments.items() if value is None or value == {}}
    _check_names(configuration, arguments, place, _FOLLOWED | _EVALUATOR | empty)
    mode = configuration.shallow(arguments.get("mode", "eval"), f"{place}.mode")
    if mode not in (None, "eval"):
        raise InputError(f"{configuration.file}: {place}.mode={mode}: only eval can be done; {OWN}")
    prepared = arguments.get("prepare_batch")
    if prepared not in _PREPARED:
        raise InputError(f"{configuration.file}: {place}.prepare_batch={prepared}: not supported; {OWN}")
    check_handlers(configuration, arguments.get("val_handlers"), f"{place}.val_handlers")
    return arguments


def check_handlers(configuration: BundleConfiguration, value: Any, place: str) -> None:
    """Raise InputError for a handler that may change what is predicted."""
    listed = configuration.shallow(value, place)
    known = vars(import_extra("monai.handlers", "monai"))
    for index, each in enumerate(listed if isinstance(listed, list) else [listed]):
        handler = configuration.shallow(each, f"{place}.{index}")
        if handler is None:
            continue
        target = str(handler.get("_target_") if isinstance(handler, dict) else handler)
        module, _, name = target.rpartition(".")
        if name in _CHANGING or name not in known or (module and not module.startswith("monai.")):
            raise InputError(f"{configuration.file}: {place}.{index}: {target}: not supported; take it out, or {OWN}")


def data_transform(configuration: BundleConfiguration, loader: tuple[Any, str] | None) -> tuple[Any, str]:
    """The transform of the data set that a loader has, and its place.

    Without a loader it is that of `dataset`. The transform is None where the data set has none; the place is empty
    where there is no data set.
    """
    found: tuple[Any, str] | None = ("@dataset", "dataset") if configuration.has("dataset") else None
    if loader is not None:
        arguments = _arguments(configuration, *loader, _LOADERS, ("monai.", "torch.utils.data"))
        if arguments is not None:
            _check_names(configuration, arguments, loader[1], _LOADER | {"collate_fn"})
            collate = str(arguments.get("collate_fn") or "list_data_collate").rpartition(".")[2]
            if collate not in ("list_data_collate", "pad_list_data_collate", "decollate_batch"):
                raise InputError(f"{configuration.file}: {loader[1]}.collate_fn={collate}: not supported; {OWN}")
            if arguments.get("dataset") is None:
                raise InputError(f"{configuration.file}: {loader[1]}.dataset is missing; restore it")
            found = arguments["dataset"], f"{loader[1]}.dataset"
    if found is None:
        return None, ""
    arguments = _arguments(configuration, *found, _DATASETS, ("monai.",))
    if arguments is None:
        return None, ""
    _check_names(configuration, arguments, found[1], _DATASET)
    return arguments.get("transform"), f"{found[1]}.transform"


def _arguments(
    configuration: BundleConfiguration, value: Any, place: str, known: Collection[str], libraries: Collection[str]
) -> Mapping[str, Any] | None:
    made = configuration.component(value, place, libraries)
    if made is not None and made[0] not in known:
        raise InputError(f"{configuration.file}: {place}._target_={made[0]}: not supported; {OWN}")
    return None if made is None else made[1]


def _check_names(
    configuration: BundleConfiguration, given: Mapping[str, Any], place: str, known: Collection[str]
) -> None:
    for name in sorted(given.keys() - set(known)):
        raise InputError(f"{configuration.file}: {place}.{name}={given[name]}: not supported; {OWN}")
