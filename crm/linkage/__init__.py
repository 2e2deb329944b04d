"""Who may be one with whom: probabilistic record linkage over all customers, run over night.

`profiles` declares what is compared, `normalizing` makes values comparable, `blocking` finds the pairs worth
comparing, `model` weighs them (splink on duckdb), `evidence` says why in words, `search` runs it all in a
process of its own, and `suspects` keeps what it found. The heavy libraries are imported inside functions.
"""
