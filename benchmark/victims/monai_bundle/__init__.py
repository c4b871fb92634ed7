"""Bundles of MONAI: network, preprocessing and inferer as the configuration of their inference says, as plain data."""
