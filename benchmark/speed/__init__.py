"""Speed of the engine, compared with an upper bound and with ASMA as it is commonly written."""
