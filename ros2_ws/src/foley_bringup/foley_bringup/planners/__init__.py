"""Predicates in the languages that planners speak: each module one planner, thin, and pure.

All of them take ``Fact`` and ``Description`` of :mod:`foley_common.predicate_view`, which
``foley_ros.predicate_client.PredicateClient`` gives as ``facts()`` and ``list()``, in which nothing is stale. A
planner's own package is imported when it is used; where it is absent, the error names the cure.
"""
