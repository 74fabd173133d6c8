"""The closed loop in one run: explore, record, train, predict, hear, compare.

matching  one-to-one matching of event times
results   what was observed in a live session, and the figures computed from it
analysis  a recorded live session -> results
figures   pictures
report    the HTML page
pipeline  the stages, each a real command in a process of its own
"""
