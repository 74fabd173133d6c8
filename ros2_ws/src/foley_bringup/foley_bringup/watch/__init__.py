"""The live page of `foley watch`: what is seen, expected, heard, believed and told to planners, at a glance."""
