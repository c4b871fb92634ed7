"""A benchmark of adversarial attacks on segmentation models, above all medical ones."""

__version__ = "0.1.0"
