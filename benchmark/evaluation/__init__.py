"""From an image to its row.

An image takes four forms, in this order:

1. The **item** of the data set: a dict of `image`, `mask`, `valid`, `id` and `group` (`data.dataset`).
2. The `Case`: the item with its target map, the same for every attack (`evaluation.case`).
3. The `Job` of an engine: the case as one attack is given it, at the size of the model's output (`engine.jobs`).
4. The **row**: what `make_row` measures of the case and of the engine's `Finished` (`evaluation.row_writer`).

`Session` takes items and yields cases with their `Finished`; `RowWriter` takes these and writes pictures, traces and
rows. All tensors of an item and of a case are on the CPU; an engine moves a job to its device when a slot is free.
"""
