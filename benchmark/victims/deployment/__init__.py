"""How a network is used: input transforms, working size, sliding windows, threshold and post-processing."""

from benchmark.victims.deployment.pipeline import Deployment as Deployment
