"""How fast, how small: each question's figures beside those of a named alternative.

`python -m benchmarks [QUESTION …]` answers them in ratios, both sides measured in one run on one
machine; a figure alone says little. How to read them: docs/benchmarks.md.
"""
