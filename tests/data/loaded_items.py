"""The items that a loader of the data module yields, by id."""

SMALL = {"n_train": 7, "n_val": 3, "n_test": 5, "size": 32, "batch_size": 2}


def items_of(loader):
    """(image, mask) by id, in the order of the loader."""
    return {
        id: (image, mask)
        for batch in loader
        for id, image, mask in zip(batch["id"], batch["image"], batch["mask"], strict=True)
    }


def train_epoch(data, epoch):
    """Of the training loader in one epoch."""
    loader = data.train_dataloader()
    loader.sampler.set_epoch(epoch)
    return items_of(loader)
