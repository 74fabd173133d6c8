"""Things on a table go into two bins by what they are made of; a few touches may be spent on finding out.

A planner (unified-planning) makes the plans, one of five strategies says which touch is worth making, and a world
(recorded touches, or the live system) says what came of it.
"""
