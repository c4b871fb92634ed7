"""What stands around a network where it is used: transforms in front, working size, windows, post-processing."""

from benchmark.victims.deployment.pipeline import Deployment as Deployment
