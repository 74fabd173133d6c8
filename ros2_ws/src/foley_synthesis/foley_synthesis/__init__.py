"""What is predicted: models, training, evaluation, inference and predicates."""
