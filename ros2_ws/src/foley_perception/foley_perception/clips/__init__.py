"""How streams become the inputs of a model: one contract, called by the dataset builder and by the live nodes."""
