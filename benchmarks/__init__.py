"""What Quarterdeck costs, measured beside its peers; never shipped.

``python -m benchmarks [NAME...]`` measures the figures and keeps them in ``benchmarks/results.md``;
``python -m benchmarks check`` counts what does not depend on the machine and fails when a bound is passed.
"""
