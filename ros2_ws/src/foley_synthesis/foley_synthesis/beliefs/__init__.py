"""Beliefs about objects and what follows from them as symbols.

evidence -> :mod:`fusion` (one belief per object) -> :mod:`expressions` over that belief, named in a YAML
:mod:`vocabulary` -> probability -> :mod:`hysteresis` -> TRUE, FALSE or UNKNOWN until a time.
:mod:`store` keeps the evidence over restarts. All of it is pure: numbers in, numbers out.
"""
