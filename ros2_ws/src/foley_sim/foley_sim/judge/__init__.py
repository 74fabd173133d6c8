"""FoleySim-B, the judge: another contact law, damping, friction, radiation and microphone than FoleySim-1.

Nothing trains or tunes on it. Its sources are frozen, see freeze.py.
"""
