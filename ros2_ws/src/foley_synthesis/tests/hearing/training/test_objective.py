import math

import torch

from foley_synthesis.hearing.networks.hearing_net import HearingOutput
from foley_synthesis.hearing.training.objective import HearingTargets, Objective, contrastive, objective


def output(logits: torch.Tensor, **fields: torch.Tensor) -> HearingOutput:
    n = len(logits)
    values = {
        name: torch.ones(n)
        for name in HearingOutput._fields
        if name not in ("logits", "action_logits", "embedding")
    }
    values |= {"action_logits": torch.zeros(n, 2), "embedding": torch.zeros(n, 4), **fields}
    return HearingOutput(logits=logits, **values)


def targets(material: list[int], contact: list[bool], **fields: list[float]) -> HearingTargets:
    nan = torch.full((len(material),), math.nan)
    values = {name: torch.tensor(v) for name, v in fields.items()}
    return HearingTargets(
        torch.tensor(contact), torch.tensor(material), torch.full((len(material),), -1),
        *(values.get(name, nan) for name in ("log10_e", "log10_density", "roughness", "hollowness")),
    )  # fmt: skip


def test_what_is_not_known_does_not_count() -> None:
    _, parts = objective(output(torch.zeros(2, 3)), targets([1, -1], [True, True]), Objective(smoothing=0.0))
    assert set(parts) == {"material", "contact"} and abs(parts["material"] - math.log(3)) < 1e-6


def test_where_there_is_no_contact_there_is_no_material() -> None:
    logits = torch.tensor([[9.0, 0.0], [9.0, 0.0]])
    _, parts = objective(output(logits), targets([0, 1], [True, False]), Objective(smoothing=0.0))
    assert parts["material"] < 1e-3  # the second one's label is not looked at
    assert abs(parts["uniform"] - 4.5) < 0.01


def test_a_family_counts_as_right_where_its_sibling_was_said() -> None:
    logits = torch.tensor([[0.0, 9.0, 0.0, 0.0]])
    _, parts = objective(output(logits), targets([0], [True]), Objective(), groups=[[0, 1], [2, 3]])
    assert parts["families"] < 0.01 < 5.0 < parts["material"]
    _, parts = objective(
        output(logits), targets([2], [True]), Objective(), groups=[[0, 1], [2, 3], [1, 2, 3]]
    )
    assert abs(parts["families"] - 4.5) < 0.4  # wrong in the one family, right in the other


def test_the_likelihood_of_hardness_is_a_normal_one() -> None:
    made = output(torch.zeros(1, 2), log10_e_mean=torch.tensor([11.0]), log10_e_std=torch.tensor([0.5]))
    _, parts = objective(made, targets([0], [True], log10_e=[12.0]), Objective())
    assert abs(parts["log10_e"] - (0.5 * 4.0 + math.log(0.5))) < 1e-6


def test_weights_add_up_the_parts() -> None:
    made, truth = output(torch.zeros(1, 2)), targets([0], [True], roughness=[0.0])
    total, parts = objective(made, truth, Objective(material=2.0, contact=0.0, roughness=3.0))
    assert abs(float(total) - (2.0 * parts["material"] + 3.0 * parts["roughness"])) < 1e-5


def test_the_same_material_belongs_together() -> None:
    together = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
    label = torch.tensor([0, 0, 1, 1])
    apart = together[torch.tensor([0, 2, 1, 3])]
    assert float(contrastive(together, label, 0.1)) < 0.1 < 2.0 < float(contrastive(apart, label, 0.1))
    assert float(contrastive(together, torch.arange(4), 0.1)) == 0.0
