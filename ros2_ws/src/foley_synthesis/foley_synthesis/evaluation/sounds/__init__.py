"""Any sounds against the real ones, by every measure: the machinery behind `foley score`."""
