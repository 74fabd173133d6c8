"""Level, spectra, the networks of the codec and its stream."""

import math

import pytest
import torch

from foley_synthesis.flow.codec.config import CodecConfig
from foley_synthesis.flow.codec.level import gains, level_track
from foley_synthesis.flow.codec.network import Codec, Coded
from foley_synthesis.flow.codec.score import kept, onsets_of
from foley_synthesis.flow.codec.spectrum import Mel, analysed, fine_levels, refined, synthesised
from foley_synthesis.flow.codec.stream import CodecStream

SMALL = {
    "width": 32, "hidden": 48, "blocks": 1, "fine_width": 24, "fine_hidden": 32, "fine_blocks": 2, "latent": 16
}  # fmt: skip


def touches(seconds: float = 2.048, rate: int = 16_000, seed: int = 0) -> torch.Tensor:
    """Decaying tones [2, n] over soft noise; the first begins at 0.5 s."""
    generator = torch.Generator().manual_seed(seed)
    time = torch.arange(round(seconds * rate)) / rate
    sound = 1e-3 * torch.randn(2, len(time), generator=generator)
    for row, hz, at in ((0, 700.0, 0.5), (0, 2100.0, 1.3), (1, 1200.0, 0.5), (1, 3100.0, 1.1)):
        after = (time - at).clamp(min=0.0)
        sound[row] += 0.3 * torch.sin(2 * math.pi * hz * after) * torch.exp(-after / 0.05) * (time >= at)
    return sound


def stirred(codec: Codec) -> Codec:
    """With weights that are nowhere zero, as after a training."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in codec.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return codec.eval()


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_level_of_a_sine_that_becomes_softer(rate: int) -> None:
    time = torch.arange(rate * 2 // (rate // 125 * 4) * (rate // 125 * 4)) / rate
    sound = torch.sin(2 * math.pi * 440 * time) * torch.where(time < 1.0, 0.2, 0.02)
    level = level_track(sound[None], rate, rate // 125 * 4)[0, 0]
    assert level[:24].numpy() == pytest.approx(math.log10(0.2 / math.sqrt(2)), abs=0.01)
    assert level[-20:].numpy() == pytest.approx(math.log10(0.02 / math.sqrt(2)), abs=0.01)


def test_gains_go_in_a_line_between_the_ends_of_frames() -> None:
    level = torch.tensor([[[-1.0, -2.0]]])
    made = gains(level, 4)[0].log10()
    assert made.tolist() == pytest.approx([-1.0, -1.0, -1.0, -1.0, -1.25, -1.5, -1.75, -2.0], abs=1e-5)
    again = gains(level[..., 1:], 4, before=level[..., :1])[0].log10()
    assert again.tolist() == pytest.approx(made[4:].tolist(), abs=1e-5)


def test_content_has_no_gain_and_comes_back_with_its_level() -> None:
    codec, sound = Codec(CodecConfig(**SMALL)), touches()
    content, level = codec.split(sound)
    louder, higher = codec.split(10.0 * sound)
    assert torch.allclose(content, louder, atol=1e-4)
    assert torch.allclose(higher - level, torch.ones_like(level), atol=1e-5)
    assert torch.allclose(content * gains(level, 512), sound, atol=1e-6)
    with pytest.raises(ValueError, match="multiple of 512"):
        codec.split(sound[:, :-1])
    plain, none = Codec(CodecConfig(**SMALL, level=False)).split(sound)
    assert torch.equal(plain, sound) and not none.any()


def test_frames_are_centred_on_the_middle_of_their_hop() -> None:
    sound = torch.zeros(1, 2048)
    sound[0, 5 * 128 + 64] = 1.0
    window = torch.hann_window(512)
    spectra = analysed(sound, window, 128)
    assert spectra.shape == (1, 16, 257)
    assert int(spectra.abs().sum(-1).argmax()) == 5
    assert torch.allclose(synthesised(spectra, window, 128), sound, atol=1e-5)


def test_smooth_inverse_gives_flat_spectra_back() -> None:
    for rate in (16_000, 48_000):
        mel = Mel(rate, 4 * rate // 125, 80)
        flat = torch.full((1, 2 * rate // 125 + 1), 0.3)
        assert torch.allclose(mel.smooth_inverse(mel(flat)).exp(), flat, atol=1e-4)


def test_refined_phases_agree_better() -> None:
    window, sound = torch.hann_window(512), touches()
    true = analysed(sound, window, 128).abs()
    noise = torch.polar(torch.ones_like(true), 6.28 * torch.rand(true.shape, generator=torch.Generator()))

    def apart(rounds: int) -> float:
        made = synthesised(refined(true * noise, window, 128, rounds), window, 128)
        return float((analysed(made, window, 128).abs() - true).norm() / true.norm())

    assert apart(16) < 0.5 * apart(0)


def test_fine_levels_tell_when_within_a_frame() -> None:
    sound = torch.zeros(1, 512)
    sound[0, 128 + 40] = 1.0  # the third of eight pieces of the second frame
    levels = fine_levels(sound, 128)
    assert levels.shape == (1, 4, 16)
    assert int(levels[0, 1, :8].argmax()) == 2 and int(levels[0, :, 2].argmax()) == 1


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_components_keep_touches_before_any_step(rate: int) -> None:
    config = CodecConfig(rate=rate, **SMALL)
    sound, codec = touches(rate=rate), Codec(config).eval()
    content = codec.split(sound)[0]
    codec.set_components(content)
    codec.set_scale(content)
    coded = codec.encode(sound)
    frames = sound.shape[1] // config.samples
    assert coded.content.shape == (2, 16, frames) and coded.level.shape == (2, 1, frames)
    assert coded.content.std(dim=(0, 2)).detach().numpy() == pytest.approx(1.0, abs=0.05)
    heard = onsets_of(sound, rate)
    result = kept(lambda s: codec.decode(codec.encode(s)), sound, config, heard=heard)
    assert result.onset_f1 > 0.85 and result.foreground_db < 6.0
    silence = kept(torch.zeros_like, sound, config)
    assert silence.foreground_db > 10.0 and math.isnan(silence.onset_f1)  # none were looked for


def test_what_changes_the_spectrum_most_comes_first_among_components() -> None:
    codec = Codec(CodecConfig(**SMALL)).eval()
    sound = touches()
    content = codec.split(sound)[0]
    codec.set_components(content)
    codec.set_scale(content)
    changes = codec.changes(codec.encode(sound).content)
    # Before any step a channel moves the spectrogram along its component alone.
    line = codec._mel_decoder.straight.weight.square().mean(0).sqrt() * codec.scale[:, 0]
    torch.testing.assert_close(changes, line.detach(), rtol=0.1, atol=1e-4)
    assert bool((changes.diff() < 1e-3).all())


def test_what_is_kept_of_a_sound_that_only_became_louder_or_lost_a_touch() -> None:
    config, sound = CodecConfig(), touches()
    heard = onsets_of(sound, config.rate)
    louder = kept(lambda s: 2.0 * s, sound, config, heard=heard)
    assert louder.foreground_db < 0.01 and louder.onset_f1 == 1.0  # each over its own floor
    assert louder.level_db == pytest.approx(6.02, abs=0.01)
    lost = kept(lambda s: torch.cat([s[:, :12_800], s[:, :-12_800]], dim=1), sound, config, heard=heard)
    assert lost.foreground_db > 10.0 and lost.onset_f1 < 0.9
    assert lost.windows == 2


@pytest.mark.parametrize("pieces", [(64,), (1, 2, 3, 58), (16, 16, 32)])
@pytest.mark.parametrize("level", [True, False])
def test_a_stream_is_what_decoding_at_once_is(pieces: tuple[int, ...], level: bool) -> None:
    codec = stirred(Codec(CodecConfig(**SMALL, causal=True, level=level)))
    with torch.no_grad():
        coded = codec.encode(touches())
        whole = codec.decode(coded)
    stream, made, at = CodecStream(codec, batch=2), [], 0
    for count in pieces:
        made.append(
            stream.feed(Coded(coded.content[..., at : at + count], coded.level[..., at : at + count]))
        )
        at += count
        assert sum(part.shape[1] for part in made) == at * 512 - stream.delay
    made.append(stream.finish())
    assert torch.allclose(torch.cat(made, dim=1), whole, atol=1e-5)


def test_only_a_causal_decoder_sees_nothing_later() -> None:
    for causal in (True, False):
        codec = stirred(Codec(CodecConfig(**SMALL, causal=causal, rounds=0)))
        latent = torch.randn(1, 16, 32, generator=torch.Generator().manual_seed(1))
        changed = latent.clone()
        changed[..., 20:] += 1.0
        level = torch.zeros(1, 1, 32)
        with torch.no_grad():
            a, b = codec.decode(Coded(latent, level)), codec.decode(Coded(changed, level))
        before = 20 * 512 - 192
        assert torch.equal(a[:, :before], b[:, :before]) == causal
    with pytest.raises(ValueError, match="--causal"):
        CodecStream(codec)
