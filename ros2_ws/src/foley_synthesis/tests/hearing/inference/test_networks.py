"""The network of hearing as it is used against the one that was trained."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from foley_synthesis.hearing.inference.networks import HearingNetworks
from foley_synthesis.hearing.model_file import weights_of
from foley_synthesis.hearing.networks.hearing_net import HearingEnsemble, HearingNet
from foley_synthesis.hearing.output import HearingOutput, NetConfig

SIZE = NetConfig(bands=32, materials=5, actions=3, widths=(8, 16, 24), blocks=2, squeezed=8, embedding=16)


@pytest.mark.parametrize("members", [1, 2])
def test_it_says_what_was_trained(members: int) -> None:
    torch.manual_seed(1)
    network = HearingEnsemble([HearingNet(SIZE) for _ in range(members)]).eval()
    for values in network.parameters():  # normalisations begin as 1 and 0
        values.data += 0.1 * torch.randn_like(values)
    features = torch.stack([torch.rand(4, 43, 32), (torch.rand(4, 43, 32) > 0.2).float()], dim=1)
    with torch.inference_mode():
        wanted = network(features)
    found = HearingNetworks(SIZE, members, weights_of(network))(features.numpy())
    for name in HearingOutput._fields:
        there, right = getattr(found, name), getattr(wanted, name).numpy()
        assert there.shape == right.shape, name
        # The spread of several networks is the mixture's; here torch has the unbiased one or not at all.
        assert np.allclose(there, right, rtol=1e-4, atol=1e-4), name


def test_hearing_needs_no_torch() -> None:
    """Nor does it load it by the way: half a gigabyte of memory."""
    code = (
        "import sys, numpy as np\n"
        "from foley_synthesis.hearing.inference.hearing_model import HearingModel\n"
        "model = HearingModel.load(); model.warm_up()\n"
        "assert 'torch' not in sys.modules and 'torchaudio' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
