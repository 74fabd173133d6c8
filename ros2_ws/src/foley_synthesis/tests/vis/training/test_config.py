"""Recipes by name, and by what a comparison chose."""

import json
from pathlib import Path

import pytest

from foley_synthesis.vis.config import ModelConfig
from foley_synthesis.vis.training.config import RECIPES, TrainConfig, recipe_of


def test_a_recipe_is_named_or_chosen_by_a_comparison(tmp_path: Path) -> None:
    assert recipe_of("onset") is RECIPES["onset"]
    figures = tmp_path / "metrics.json"
    figures.write_text(json.dumps({"chosen": {"example": {"recipe": "squared"}}}))
    assert recipe_of(str(figures)) is RECIPES["squared"]
    figures.write_text("{}")
    with pytest.raises(ValueError, match="tells no choice of `foley vis`"):
        recipe_of(str(figures))
    with pytest.raises(ValueError, match="recipe is `best`, known are paper"):
        recipe_of("best")


def test_the_paper_s_recipe_is_what_a_model_and_its_training_are_by_themselves() -> None:
    paper = RECIPES["paper"]
    assert ModelConfig(**paper.model()) == ModelConfig()
    assert TrainConfig(**paper.training()) == TrainConfig()
    for recipe in RECIPES.values():
        ModelConfig(**recipe.model()), TrainConfig(**recipe.training())
    with pytest.raises(ValueError, match="decoding is `late`"):
        ModelConfig(decoding="late")
    with pytest.raises(ValueError, match="loss is `flat`"):
        TrainConfig(loss="flat")
    with pytest.raises(ValueError, match="plan_error_s is 2"):
        TrainConfig(plan_error_s=2.0)
