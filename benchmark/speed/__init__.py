"""How fast the engine is, beside what nothing could beat and beside ASMA as it is commonly written."""
