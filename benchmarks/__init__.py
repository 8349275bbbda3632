"""The speed of upshape, side by side with what can be installed instead and with the machine.

``python -m benchmarks`` runs the table of cases, ``python -m benchmarks.sweep`` random shapes, and
``python -m benchmarks.compare A.json B.json`` holds two runs against each other.
"""
