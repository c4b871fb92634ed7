"""What a file is that is no checkpoint of a victim, found without executing anything in it, and how to attack it."""

from benchmark.victims.other_files.explain import explained as explained
